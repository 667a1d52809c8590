import { spawnSync } from 'node:child_process'
import test, { type ExecutionContext } from 'ava'
import { hasOpenssl } from '../helpers/certificate.ts'
import { namespacesMissing } from '../helpers/netns.ts'
import { findNginx, type NginxOptions } from '../helpers/nginx.ts'
import { Stage } from './stage.ts'

/** Declares a test as AVA's `test` does, with the stage that it plays on. */
export type OnStage = (claim: string, body: (t: ExecutionContext, stage: Stage) => Promise<void>) => void

/**
 * Opens a stage with `nodes` gateways before the tests of a file and closes it after them, also when they
 * fail. The tests run one after the other, each once for each plane. Where namespaces or programs are missing it says which, once, and
 * skips them all.
 */
export function onStage(
  nodes: number,
  planes: readonly Stage['plane'][] = ['auto'],
  gateway: Pick<NginxOptions, 'headerTimeout'> = {},
): OnStage {
  const nginx = findNginx()
  if (nginx === null) return skip('nginx is not installed')
  const reason = missing()
  if (reason !== null) return skip(reason)
  const opened: Stage[] = []
  const open = (): Stage => {
    const [stage] = opened
    if (stage === undefined) throw new Error('the stage is not open')
    return stage
  }
  process.once('exit', () => opened[0]?.remove()) // AVA ends a process that hangs without its teardown
  test.before(async () => {
    opened.push(new Stage(nginx, nodes, gateway))
    await open().start()
  })
  test.after.always(() => opened[0]?.close())
  return (claim, body) => {
    for (const plane of planes) {
      test.serial(planes.length === 1 ? claim : `${plane}: ${claim}`, (t) => {
        const stage = open()
        stage.plane = plane
        return body(t, stage)
      })
    }
  }
}

/** Declares tests that do not run, and says why, once. */
export function skip(reason: string): OnStage {
  console.warn(`end-to-end tests are skipped: ${reason}`)
  return (claim) => test.serial.skip(claim, () => {})
}

/** null: everything else is there. */
function missing(): string | null {
  if (!hasOpenssl) return 'openssl is not installed'
  if (spawnSync('curl', ['--version'], { stdio: 'ignore' }).error !== undefined)
    return 'curl is not installed'
  return namespacesMissing()
}
