import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { Loaded } from '../../src/app.ts'
import type { Config, DiscoveryConfig } from '../../src/config/config.ts'
import { type DnsRecord, DnsServer } from '../helpers/dns-server.ts'
import { configOf, Forwarder, patienceMs } from '../helpers/forwarder.ts'
import { Backend, dialPeer, echo } from '../helpers/peer.ts'

const planes = ['net', 'splice'] as const

/** A program whose only pool is discovered, with two backends: one echoes, one says `other`. */
async function scene(t: ExecutionContext, plane: Config['plane'], discovery: DiscoveryConfig) {
  const state: { next: Loaded } = { next: { kind: 'invalid', message: 'not set' } }
  const options = { plane, pool: { discovery } }
  const source = { name: 'edge.yaml', load: () => state.next }
  const forwarder = await Forwarder.start({ ...options, source })
  t.teardown(() => forwarder.close())
  const reload = (changes: Partial<Config> = {}) => {
    state.next = { kind: 'ok', config: { ...configOf(options), ...changes }, warnings: [] }
    return forwarder.app.reload()
  }
  const pool = () => forwarder.app.status().pools[0]
  /** Resolves when the pool has these endpoints, up or not. */
  const has = (...endpoints: readonly string[]) =>
    forwarder.until(
      () =>
        pool()
          ?.endpoints.map(({ endpoint }) => endpoint)
          .join() === endpoints.join(),
    )
  return { forwarder, reload, pool, has }
}

/** Talks until the second backend answers; nobody may be turned away on the way. */
async function turnsToOther(t: ExecutionContext, port: number): Promise<void> {
  const deadline = performance.now() + patienceMs
  for (let said = 'hi'; said !== 'other'; said = await talk(port)) {
    t.is(said, 'hi')
    if (performance.now() > deadline) throw new Error(`the new backend was not used for ${patienceMs} ms`)
  }
}

async function backends(t: ExecutionContext) {
  const [first, second] = [
    await Backend.start({ onPeer: echo }),
    await Backend.start({ onPeer: (peer) => peer.end('other') }),
  ]
  t.teardown(async () => {
    await first.close()
    await second.close()
  })
  return { first, second }
}

async function talk(port: number): Promise<string> {
  const client = await dialPeer(port)
  client.end('hi')
  return (await client.readAll()).bytes.toString()
}

const target = (port: number): DnsRecord => {
  return { type: 'SRV', target: 'gw.test', port, priority: 0, weight: 1, ttl: 1 }
}

/** A name server that knows gw.test as 127.0.0.1 for `ttl` seconds. */
async function nameServer(t: ExecutionContext, port: number, ttl: number) {
  const server = await DnsServer.start()
  t.teardown(() => server.close())
  server.replies.set('_gw._tcp.test SRV', [target(port)])
  server.replies.set('gw.test A', [{ type: 'A', address: '127.0.0.1', ttl }])
  const discovery: DiscoveryConfig = {
    kind: 'dns',
    name: '_gw._tcp.test',
    records: { type: 'SRV' },
    families: ['A', 'AAAA'],
    holdMs: 0,
    servers: [server.address],
    allowSpecial: true,
  }
  return { server, discovery }
}

for (const plane of planes) {
  test(`${plane}: a new DNS answer gets the new connections, and the old ones live on`, async (t) => {
    const { first, second } = await backends(t)
    const { server, discovery } = await nameServer(t, first.port, 1)
    const { forwarder } = await scene(t, plane, discovery)
    const kept = await dialPeer(forwarder.port)
    await kept.write('a')
    t.is((await kept.read(1)).toString(), 'a')
    server.replies.set('_gw._tcp.test SRV', [target(second.port)])
    await turnsToOther(t, forwarder.port)
    await kept.write('b')
    t.is((await kept.read(1)).toString(), 'b')
    kept.end()
    await kept.ended()
    t.is(await forwarder.metric('spliceway_discovery_endpoints{pool="main"}'), 1)
    t.true((await forwarder.metric('spliceway_discovery_age_seconds{pool="main"}')) < 60)
  })

  test(`${plane}: the end of a name server is noticed by no connection`, async (t) => {
    const { first } = await backends(t)
    const { server, discovery } = await nameServer(t, first.port, 1)
    const { forwarder, pool } = await scene(t, plane, discovery)
    server.replies.set('_gw._tcp.test SRV', 'SERVFAIL')
    await forwarder.line(
      /dns _gw._tcp.test SRV: the name server failed \(SERVFAIL\); its last answer stays in use/,
    )
    t.is(await talk(forwarder.port), 'hi')
    t.like(pool()?.discovery, {
      source: 'dns _gw._tcp.test SRV',
      state: 'known',
      failing: { reason: 'the name server failed (SERVFAIL)' },
      endpoints: 1,
    })
    t.true((await forwarder.metric('spliceway_discovery_failures_total{pool="main",kind="lookup"}')) >= 1)
  })

  test(`${plane}: a list that is renamed over the old one gets the new connections; half a list changes nothing`, async (t) => {
    const { first, second } = await backends(t)
    const folder = mkdtempSync(join(tmpdir(), 'spliceway-'))
    t.teardown(() => rmSync(folder, { recursive: true }))
    const path = join(folder, 'gateways.json')
    writeFileSync(path, `["127.0.0.1:${first.port}"]`)
    const { forwarder } = await scene(t, plane, { kind: 'file', path, allowSpecial: true })
    t.is(await talk(forwarder.port), 'hi')
    writeFileSync(path, `["127.0.0.1:${second.port}", "127.0.0`)
    await forwarder.line(/is no list of endpoints, the endpoints stay as they are/)
    t.is(await talk(forwarder.port), 'hi')
    writeFileSync(`${path}.new`, `["127.0.0.1:${second.port}"]`)
    renameSync(`${path}.new`, path)
    await turnsToOther(t, forwarder.port)
  })
}

test('a reload that leaves a source as it is does not ask it again, and its endpoints stay', async (t) => {
  const { first } = await backends(t)
  const { server, discovery } = await nameServer(t, first.port, 300)
  const { forwarder, reload, has } = await scene(t, 'net', discovery)
  const asked = () => server.asked.filter((question) => question.endsWith('SRV')).length
  const before = asked()
  const startMs = performance.now()
  for (let i = 0; i < 20; i++) t.true((await reload({ limits: { connections: 100 + i } })).ok)
  if (performance.now() - startMs < 4_000) t.is(asked(), before) // it is asked every five seconds anyway
  await has(`127.0.0.1:${first.port}`)
  t.is(await talk(forwarder.port), 'hi')
})

test('a pool whose endpoints were listed keeps them until its source answers', async (t) => {
  const { first, second } = await backends(t)
  const { discovery } = await nameServer(t, second.port, 300)
  const state: { next: Loaded } = { next: { kind: 'invalid', message: 'not set' } }
  const source = { name: 'edge.yaml', load: () => state.next }
  const forwarder = await Forwarder.start({ plane: 'net', endpoints: [first.port], source })
  t.teardown(() => forwarder.close())
  t.is(await talk(forwarder.port), 'hi')
  state.next = { kind: 'ok', config: configOf({ plane: 'net', pool: { discovery } }), warnings: [] }
  t.true((await forwarder.app.reload()).ok)
  await turnsToOther(t, forwarder.port)
})

test('discovered loopback addresses are refused: the pool is empty and the log says why', async (t) => {
  const { first } = await backends(t)
  const { discovery } = await nameServer(t, first.port, 1)
  const { forwarder, pool } = await scene(t, 'net', { ...discovery, allowSpecial: false })
  await forwarder.line(/says 127.0.0.1:\d+, which is refused because it is loopback/)
  t.deepEqual(pool()?.endpoints, [])
})
