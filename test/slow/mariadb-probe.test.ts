import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Forwarder } from '../helpers/forwarder.ts'
import { NetworkNamespace, namespacesMissing } from '../helpers/netns.ts'
import { asRoot, mariadbMissing, mostErrors, query, startMariadb } from '../real/mariadb.ts'
import { newFolder, type Server } from '../real/server.ts'

/** MariaDB never blocks 127.0.0.1, nor anyone whose address has no name. */
const address = '10.99.0.1'
const intervalMs = 20

const missing = mariadbMissing() ?? namespacesMissing()
if (missing === null) {
  for (const close of ['fin', 'reset'] as const) {
    const what = close === 'fin' ? 'MariaDB blocks the host it comes from' : 'MariaDB is told of none'
    test.serial(`after ${3 * mostErrors} tcp probes that end with ${close} ${what}`, (t) => probed(t, close))
  }
} else {
  console.warn(`tests of probes of MariaDB are skipped: ${missing}`)
  test.skip('tcp probes of MariaDB', () => {})
}

async function probed(t: ExecutionContext, close: 'fin' | 'reset'): Promise<void> {
  const server = await elsewhere(t)
  const probe = { kind: 'tcp', port: null, close } as const
  const health = { probe, intervalMs, fastIntervalMs: intervalMs, timeoutMs: 1_000, fall: 3, rise: 2 }
  const forwarder = await Forwarder.start({
    plane: 'net',
    endpoints: [`${address}:${server.port}`],
    pool: { health },
    probe: true,
  })
  t.teardown(() => forwarder.close())
  const probes = () => forwarder.metric('spliceway_health_checks_total{result="success"}')
  while ((await probes()) < 3 * mostErrors) await new Promise((resolve) => setTimeout(resolve, intervalMs))
  const { out, err } = await query(forwarder.port, 'SELECT 1')
  const errors = await asRoot(server, "SHOW GLOBAL STATUS LIKE 'Aborted_connects'")
  if (close === 'fin') {
    t.regex(err, /Host '10\.99\.0\.1' is blocked because of many connection errors/)
  } else {
    t.deepEqual([out, err], ['1\n', ''])
    t.is(errors, 'Aborted_connects\t0\n')
  }
}

/** A MariaDB in a network of its own, this process with it; its hosts file has a name for us. */
async function elsewhere(t: ExecutionContext): Promise<Server> {
  const hosts = join(newFolder('hosts'), 'hosts')
  writeFileSync(hosts, `127.0.0.1 localhost\n${address} edge.example\n`)
  const namespace = NetworkNamespace.create('mariadb')
  t.teardown(() => namespace.remove())
  namespace.run('ip', 'address', 'add', `${address}/24`, 'dev', 'lo')
  t.teardown(namespace.enter())
  // `ip netns exec` has a mount namespace of its own.
  const within = namespace.command('sh', '-c', `mount --bind ${hosts} /etc/hosts && exec "$0" "$@"`)
  const server = await startMariadb('0.0.0.0', within)
  t.teardown(() => server.close())
  return server
}
