import { spawnSync } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Cluster } from '../helpers/cluster.ts'
import { namespacesMissing } from '../helpers/netns.ts'
import { findNginx } from '../helpers/nginx.ts'
import { Spliceway } from './spliceway.ts'

type Body = (t: ExecutionContext, cluster: Cluster) => Promise<void>

/** Declares a test as AVA's `test` does. */
export type OnCluster = (claim: string, body: Body) => void

/**
 * Builds a cluster before the tests of a file, with this process in the place of its client, and removes it after them,
 * also when they fail. The tests run one after the other; whoever breaks a node mends it. Where namespaces or programs are
 * missing it says which, once, and skips them all.
 */
export function onCluster(): OnCluster {
  const nginx = findNginx()
  if (nginx === null) return skip('nginx is not installed')
  const reason = missing()
  if (reason !== null) return skip(reason)
  let opened: Cluster | null = null
  let leave = (): void => {}
  const cluster = (): Cluster => {
    if (opened === null) throw new Error('there is no cluster yet')
    return opened
  }
  process.once('exit', () => opened?.remove()) // AVA ends a process that hangs without its teardown
  test.before(async () => {
    opened = new Cluster({ nginx })
    leave = opened.client.enter()
    await opened.start()
  })
  test.after.always(async () => {
    leave()
    await opened?.close()
  })
  return (claim, body) => test.serial(claim, (t) => body(t, cluster()))
}

/** Starts the program on the forwarder with this configuration and ends it with the test. Resolves when it serves. */
export async function splicewayOn(t: ExecutionContext, cluster: Cluster, config: string): Promise<Spliceway> {
  const file = join(mkdtempSync(join(cluster.folder, 'config-')), 'spliceway.yaml')
  writeFileSync(file, config)
  const spliceway = await Spliceway.start(cluster.forwarder, file)
  t.teardown(() => spliceway.program.kill())
  await spliceway.serving()
  return spliceway
}

function skip(reason: string): OnCluster {
  console.warn(`the cluster's tests are skipped: ${reason}`)
  return (claim) => test.serial.skip(claim, () => {})
}

/** null: everything else is there. */
function missing(): string | null {
  if (spawnSync('iptables', ['--version'], { stdio: 'ignore' }).error !== undefined)
    return 'iptables is not installed'
  return namespacesMissing()
}
