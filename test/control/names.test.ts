import test from 'ava'
import type { EndpointConfig } from '../../src/config/config.ts'
import { getaddrinfo } from '../../src/control/host-lookup.ts'
import { Names } from '../../src/control/names.ts'
import { endpointConfig, FakeClock, poolConfig, RecordedLog } from './fixture.ts'

class Bench {
  readonly clock = new FakeClock()
  readonly log = new RecordedLog()
  readonly asked: string[] = []
  /** What the name server knows: addresses, or the code of an error. */
  readonly answers = new Map<string, readonly string[] | string>()
  changes = 0
  readonly names = new Names({
    lookup: async (host) => {
      this.asked.push(host)
      const answer = this.answers.get(host) ?? 'ENOTFOUND'
      if (typeof answer === 'string') throw Object.assign(new Error(`getaddrinfo ${host}`), { code: answer })
      return answer
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
  bench.answers.set('node-2.internal', ['10.0.0.7', '10.0.0.6'])
  await bench.update({ ...node2, priority: 1, weight: 2, maxConnections: 5000 })
  const [pool] = bench.names.pools()
  const common = { name: 'node-2.internal', priority: 1, weight: 2, maxConnections: 5000 }
  t.like(pool?.endpoints[0], { id: '10.0.0.6:9443', ...common })
  t.like(pool?.endpoints[1], { id: '10.0.0.7:9443', ...common })
  t.is(pool?.endpoints.length, 2)
  t.deepEqual(pool?.unresolved, [])
  t.is(bench.changes, 1)
})

test('v4-mapped answers are IPv4, and each address is one endpoint', async (t) => {
  const bench = new Bench()
  bench.answers.set('node-2.internal', ['::ffff:10.0.0.6', '10.0.0.6', '2001:DB8:0::6'])
  await bench.update(node2)
  t.deepEqual(bench.ids(), ['10.0.0.6:9443', '[2001:db8::6]:9443'])
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

test('the same addresses in another order are no change', async (t) => {
  const bench = new Bench()
  bench.answers.set('node-2.internal', ['10.0.0.6', '10.0.0.7'])
  await bench.update(node2)
  bench.answers.set('node-2.internal', ['10.0.0.7', '10.0.0.6'])
  await bench.refresh()
  t.is(bench.asked.length, 2)
  t.is(bench.changes, 1)
})

test('the last answer is kept while a name fails, and failure and recovery are one line each', async (t) => {
  const bench = new Bench()
  bench.answers.set('node-2.internal', ['10.0.0.6'])
  await bench.update(node2)
  bench.answers.delete('node-2.internal')
  await bench.refresh()
  await bench.refresh()
  t.deepEqual(bench.ids(), ['10.0.0.6:9443'])
  bench.answers.set('node-2.internal', 'EAI_AGAIN')
  await bench.refresh()
  bench.answers.set('node-2.internal', [])
  await bench.refresh()
  bench.answers.set('node-2.internal', ['10.0.0.6'])
  await bench.refresh()
  t.deepEqual(bench.log.take(), [
    'warn pool web: node-2.internal does not resolve (ENOTFOUND); using its last answer 10.0.0.6',
    'warn pool web: node-2.internal does not resolve (EAI_AGAIN); using its last answer 10.0.0.6',
    'warn pool web: node-2.internal does not resolve (the answer is empty); using its last answer 10.0.0.6',
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
      reason: 'does not resolve (ENOTFOUND)',
      sinceMs: 0,
    },
  ])
  t.deepEqual(bench.log.take(), [
    'warn pool web: node-2.internal does not resolve (ENOTFOUND); it has no address yet, tried again every 5s',
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
  const late = Promise.withResolvers<readonly string[]>()
  const clock = new FakeClock()
  let changes = 0
  const names = new Names({
    lookup: () => late.promise,
    log: new RecordedLog(),
    after: clock.after,
    nowMs: clock.nowMs,
    random: () => 0.5,
    changed: () => changes++,
  })
  names.update([poolConfig({ endpoints: [node2] })])
  const resolved = names.resolved()
  names.stop()
  late.resolve(['10.0.0.6'])
  await resolved
  t.is(changes, 0)
  t.is(clock.pending, 0)
})

test('getaddrinfo knows localhost', async (t) => {
  const addresses = await getaddrinfo('localhost')
  t.true(addresses.some((address) => address === '127.0.0.1' || address === '::1'))
})
