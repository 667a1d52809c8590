import test from 'ava'
import type { EndpointConfig } from '../../src/config/config.ts'
import type { LookedUp } from '../../src/discovery/dns/name-lookup.ts'
import { Names } from '../../src/discovery/names.ts'
import { endpointConfig, FakeClock, poolConfig, RecordedLog } from '../control/fixture.ts'

class Bench {
  readonly clock = new FakeClock()
  readonly log = new RecordedLog()
  readonly asked: string[] = []
  /** What is found: addresses, or why there are none. */
  readonly answers = new Map<string, string[] | string | LookedUp>()
  changes = 0
  readonly names = new Names({
    lookup: {
      addresses: async (host) => {
        this.asked.push(host)
        const answer = this.answers.get(host) ?? 'NXDOMAIN'
        if (typeof answer === 'string') return { kind: 'failed', reason: answer }
        return Array.isArray(answer) ? { kind: 'found', addresses: answer, silent: null } : answer
      },
      stop: () => {},
    },
    log: this.log,
    after: this.clock.after,
    nowMs: this.clock.nowMs,
    random: () => 0.5,
    changed: () => this.changes++,
  })

  async update(...endpoints: EndpointConfig[]): Promise<void> {
    this.names.update([poolConfig({ endpoints })])
    await this.names.resolved()
  }

  /** One refresh interval, and what it brings. */
  async refresh(): Promise<void> {
    this.clock.advance(5000)
    await new Promise((turn) => setImmediate(turn))
  }

  ids(): string[] {
    return this.names.pools().flatMap(({ endpoints }) => endpoints.map(({ id }) => id))
  }
}

const node2 = endpointConfig('node-2.internal', 9443)

test('literal addresses are endpoints at once, and nobody is asked', (t) => {
  const bench = new Bench()
  const endpoints = [endpointConfig('10.0.0.5', 9443), endpointConfig('2001:db8::5', 80)]
  bench.names.update([poolConfig({ endpoints })])
  t.deepEqual(bench.ids(), ['10.0.0.5:9443', '[2001:db8::5]:80'])
  t.deepEqual(bench.asked, [])
  t.is(bench.clock.pending, 0)
})

test('a name with several addresses is several endpoints with its weight, priority and limit', async (t) => {
  const bench = new Bench()
  bench.answers.set('node-2.internal', ['10.0.0.6', '10.0.0.7'])
  await bench.update({ ...node2, priority: 1, weight: 2, maxConnections: 5000 })
  const [pool] = bench.names.pools()
  const common = { name: 'node-2.internal', priority: 1, weight: 2, maxConnections: 5000 }
  t.like(pool?.endpoints[0], { id: '10.0.0.6:9443', ...common })
  t.like(pool?.endpoints[1], { id: '10.0.0.7:9443', ...common })
  t.is(pool?.endpoints.length, 2)
  t.deepEqual(pool?.unresolved, [])
  t.is(bench.changes, 1)
})

test('an address that is configured and resolved is one endpoint, the configured one', async (t) => {
  const bench = new Bench()
  bench.answers.set('node-2.internal', ['10.0.0.6'])
  await bench.update(node2, { ...endpointConfig('10.0.0.6', 9443), weight: 7 })
  const endpoints = bench.names.pools()[0]?.endpoints
  t.is(endpoints?.length, 1)
  t.like(endpoints?.[0], { name: null, weight: 7 })
})

test('two ports of one name share a lookup', async (t) => {
  const bench = new Bench()
  bench.answers.set('node-2.internal', ['10.0.0.6'])
  await bench.update(node2, endpointConfig('node-2.internal', 80))
  t.deepEqual(bench.ids(), ['10.0.0.6:9443', '10.0.0.6:80'])
  t.deepEqual(bench.asked, ['node-2.internal'])
})

test('a new answer replaces the old one and is told', async (t) => {
  const bench = new Bench()
  bench.answers.set('node-2.internal', ['10.0.0.6'])
  await bench.update(node2)
  bench.answers.set('node-2.internal', ['10.0.0.8'])
  await bench.refresh()
  t.deepEqual(bench.ids(), ['10.0.0.8:9443'])
  t.is(bench.changes, 2)
})

test('a name in several pools is asked for once, as often as the most impatient of them wants', async (t) => {
  const bench = new Bench()
  const pool = (name: string, refreshMs: number) => poolConfig({ name, refreshMs, endpoints: [node2] })
  bench.names.update([pool('web', 60_000), pool('api', 1000), pool('db', 30_000)])
  await bench.names.resolved()
  t.deepEqual(bench.asked, ['node-2.internal'])
  t.deepEqual(bench.log.take(), [
    'warn pools api, db, web: node-2.internal does not resolve: NXDOMAIN; it has no address yet, tried again every 1s',
  ])
  bench.answers.set('node-2.internal', ['10.0.0.6'])
  bench.clock.advance(1000)
  await new Promise((turn) => setImmediate(turn))
  t.is(bench.asked.length, 2)
  t.deepEqual(bench.ids(), ['10.0.0.6:9443', '10.0.0.6:9443', '10.0.0.6:9443'])
})

test('a family that nobody told of keeps its last addresses, one that is told of does not', async (t) => {
  const bench = new Bench()
  bench.answers.set('node-2.internal', ['10.0.0.6', '2001:db8::6'])
  await bench.update(node2)
  const both = ['10.0.0.7:9443', '[2001:db8::6]:9443']
  bench.answers.set('node-2.internal', { kind: 'found', addresses: ['10.0.0.7'], silent: 6 })
  await bench.refresh()
  t.deepEqual(bench.ids(), both)
  bench.answers.set('node-2.internal', { kind: 'found', addresses: ['10.0.0.7'], silent: null })
  await bench.refresh()
  t.deepEqual(bench.ids(), ['10.0.0.7:9443'])
})

test('the last answer is kept while a name fails, and failure and recovery are one line each', async (t) => {
  const bench = new Bench()
  bench.answers.set('node-2.internal', ['10.0.0.6'])
  await bench.update(node2)
  bench.answers.delete('node-2.internal')
  await bench.refresh()
  await bench.refresh()
  t.deepEqual(bench.ids(), ['10.0.0.6:9443'])
  bench.answers.set('node-2.internal', 'SERVFAIL')
  await bench.refresh()
  bench.answers.set('node-2.internal', ['10.0.0.6'])
  await bench.refresh()
  t.deepEqual(bench.log.take(), [
    'warn pool web: node-2.internal does not resolve: NXDOMAIN; using its last answer 10.0.0.6',
    'warn pool web: node-2.internal does not resolve: SERVFAIL; using its last answer 10.0.0.6',
    'info pool web: node-2.internal resolves again: 10.0.0.6',
  ])
  t.is(bench.changes, 1)
})

test('a name that never resolved is unresolved, with the reason, and tried again', async (t) => {
  const bench = new Bench()
  await bench.update({ ...node2, priority: 1 })
  t.deepEqual(bench.names.pools()[0]?.unresolved, [
    {
      endpoint: 'node-2.internal:9443',
      name: 'node-2.internal',
      priority: 1,
      weight: 1,
      reason: 'does not resolve: NXDOMAIN',
      sinceMs: 0,
    },
  ])
  t.deepEqual(bench.log.take(), [
    'warn pool web: node-2.internal does not resolve: NXDOMAIN; it has no address yet, tried again every 5s',
  ])
  bench.answers.set('node-2.internal', ['10.0.0.6'])
  await bench.refresh()
  t.deepEqual(bench.ids(), ['10.0.0.6:9443'])
  t.deepEqual(bench.names.pools()[0]?.unresolved, [])
})

test('a name that is being looked up is unresolved, and says so', (t) => {
  const bench = new Bench()
  bench.names.update([poolConfig({ endpoints: [node2] })])
  t.is(bench.names.pools()[0]?.unresolved[0]?.reason, 'is being looked up')
})

test('names that stay over a reload keep their answer and are not asked again at once', async (t) => {
  const bench = new Bench()
  bench.answers.set('node-2.internal', ['10.0.0.6'])
  await bench.update(node2)
  await bench.update(node2, endpointConfig('node-3.internal', 9443))
  t.deepEqual(bench.asked, ['node-2.internal', 'node-3.internal'])
  t.deepEqual(bench.ids(), ['10.0.0.6:9443'])
})

test('a name that leaves is not asked any more', async (t) => {
  const bench = new Bench()
  await bench.update(node2)
  await bench.update()
  await bench.refresh()
  t.is(bench.asked.length, 1)
  t.is(bench.clock.pending, 0)
})

test('stop ends the refreshing, and a late answer changes nothing', async (t) => {
  const late = Promise.withResolvers<LookedUp>()
  const clock = new FakeClock()
  let changes = 0
  const names = new Names({
    lookup: { addresses: () => late.promise, stop: () => {} },
    log: new RecordedLog(),
    after: clock.after,
    nowMs: clock.nowMs,
    random: () => 0.5,
    changed: () => changes++,
  })
  names.update([poolConfig({ endpoints: [node2] })])
  const resolved = names.resolved()
  names.stop()
  late.resolve({ kind: 'found', addresses: ['10.0.0.6'], silent: null })
  await resolved
  t.is(changes, 0)
  t.is(clock.pending, 0)
})
