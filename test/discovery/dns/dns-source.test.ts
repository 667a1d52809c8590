import test, { type ExecutionContext } from 'ava'
import type { DnsPoolConfig } from '../../../src/config/config.ts'
import { formatAddress } from '../../../src/core/address.ts'
import { dnsSource } from '../../../src/discovery/dns/dns-source.ts'
import { askFamilies, graceMs } from '../../../src/discovery/dns/families.ts'
import { openQuery } from '../../../src/discovery/dns/query.ts'
import type { Source } from '../../../src/discovery/source.ts'
import { FakeClock, RecordedLog } from '../../control/fixture.ts'
import { type DnsRecord, DnsServer, type DnsServerOptions } from '../../helpers/dns-server.ts'

/** A source that asks a real name server over a real socket; only the time between rounds is the test's. */
class Bench {
  readonly clock = new FakeClock()
  readonly log = new RecordedLog()
  readonly server: DnsServer
  readonly source: Source
  changes = 0
  /** Pauses between rounds so far, as asked for. */
  readonly pauses: number[] = []
  #wake = () => {}

  private constructor(server: DnsServer, config: Partial<DnsPoolConfig>, random: number) {
    this.server = server
    const whole: DnsPoolConfig = {
      kind: 'dns',
      name: 'gw.test',
      records: { type: 'address', port: 9443 },
      families: ['A'],
      holdMs: 0,
      servers: [server.address],
      allowSpecial: false,
      ...config,
    }
    const deps = {
      log: this.log,
      nowMs: this.clock.nowMs,
      random: () => random,
      changed: () => this.changes++,
      after: (ms: number, fire: () => void) => {
        if (ms !== graceMs) {
          this.pauses.push(ms)
          this.#wake()
        }
        return this.clock.after(ms, fire)
      },
    }
    this.source = dnsSource('web', whole, deps, openQuery)
  }

  static async start(
    t: ExecutionContext,
    replies: Readonly<Record<string, readonly DnsRecord[] | string>>,
    config: Partial<DnsPoolConfig> = {},
    random = 0,
    options: DnsServerOptions = {},
  ): Promise<Bench> {
    const server = await DnsServer.start(options)
    for (const [question, reply] of Object.entries(replies)) server.replies.set(question, reply as never)
    const bench = new Bench(server, config, random)
    t.teardown(async () => {
      bench.source.stop()
      await server.close()
      if (bench.clock.pending !== 0) throw new Error('a stopped source has a timer')
    })
    await bench.source.first
    return bench
  }

  /** Until the next round is over. */
  async round(): Promise<void> {
    const over = new Promise<void>((resolve) => {
      this.#wake = resolve
    })
    this.clock.advance(this.pauses.at(-1) ?? 0)
    await over
  }

  /** `10.0.0.1:9443 0/1` */
  endpoints(): string[] {
    const { answer } = this.source
    if (answer.kind === 'none') return [answer.reason]
    return answer.endpoints.map(
      ({ address, priority, weight }) => `${formatAddress(address)} ${priority}/${weight}`,
    )
  }
}

const a = (address: string, ttl = 7): DnsRecord => ({ type: 'A', address, ttl })
const aaaa = (address: string, ttl = 7): DnsRecord => ({ type: 'AAAA', address, ttl })
const srv = (target: string, priority = 0, weight = 1, port = 9443): DnsRecord => {
  return { type: 'SRV', target, priority, weight, port, ttl: 30 }
}
const both = ['A', 'AAAA'] as const
const service = { name: '_https._tcp.test', records: { type: 'SRV' }, families: both } as const

test('A records are endpoints with the port of the configuration, in one order', async (t) => {
  const bench = await Bench.start(t, { 'gw.test A': [a('10.0.0.2'), a('10.0.0.1')] })
  t.deepEqual(bench.endpoints(), ['10.0.0.1:9443 0/1', '10.0.0.2:9443 0/1'])
  t.is(bench.changes, 1)
  bench.server.replies.set('gw.test A', [a('10.0.0.1'), a('10.0.0.2')])
  await bench.round()
  t.is(bench.changes, 1)
})

test('AAAA records are IPv6 endpoints', async (t) => {
  const records = { type: 'address', port: 80 } as const
  const replies = { 'gw.test AAAA': [aaaa('2001:db8::5')] }
  const bench = await Bench.start(t, replies, { records, families: ['AAAA'] })
  t.deepEqual(bench.endpoints(), ['[2001:db8::5]:80 0/1'])
})

test('both families are endpoints of one pool, whose shorter TTL counts', async (t) => {
  const replies = { 'gw.test A': [a('10.0.0.1', 9)], 'gw.test AAAA': [aaaa('2001:db8::5', 3)] }
  const bench = await Bench.start(t, replies, { families: both })
  t.deepEqual(bench.endpoints(), ['10.0.0.1:9443 0/1', '[2001:db8::5]:9443 0/1'])
  t.deepEqual(bench.pauses, [3000])
})

test('a family that fails keeps its last addresses, one that there is none of has none', async (t) => {
  const replies = { 'gw.test A': [a('10.0.0.1')], 'gw.test AAAA': [aaaa('2001:db8::5')] }
  const bench = await Bench.start(t, replies, { families: both })
  bench.server.replies.set('gw.test AAAA', 'SERVFAIL')
  bench.server.replies.set('gw.test A', [a('10.0.0.2')])
  await bench.round()
  t.deepEqual(bench.endpoints(), ['10.0.0.2:9443 0/1', '[2001:db8::5]:9443 0/1'])
  bench.server.replies.set('gw.test AAAA', [])
  await bench.round()
  t.deepEqual(bench.endpoints(), ['10.0.0.2:9443 0/1'])
})

test('a name server that never answers for AAAA costs half a second and not four', async (t) => {
  const server = await DnsServer.start()
  server.replies.set('gw.test A', [a('10.0.0.1')])
  server.replies.set('gw.test AAAA', 'silence')
  const startMs = performance.now()
  const query = openQuery([server.address])
  const after = (ms: number, fire: () => void) => {
    const timer = setTimeout(fire, ms)
    return () => clearTimeout(timer)
  }
  const told = await askFamilies(query, 'gw.test', both, after)
  t.like(told, { A: { kind: 'found' }, AAAA: null })
  t.true(performance.now() - startMs < 3_500) // and not four
  query.cancel()
  await server.close()
})

test('what an answer no longer has stays for `hold`, and leaves then, whatever the TTL says', async (t) => {
  const bench = await Bench.start(
    t,
    { 'gw.test A': [a('10.0.0.1', 60), a('10.0.0.2', 60)] },
    { holdMs: 90_000 },
  )
  bench.server.replies.set('gw.test A', [a('10.0.0.3', 60)])
  await bench.round()
  t.deepEqual(bench.endpoints(), ['10.0.0.1:9443 0/1', '10.0.0.2:9443 0/1', '10.0.0.3:9443 0/1'])
  t.deepEqual(bench.pauses, [60_000, 30_000]) // 90 s after they were last seen
  bench.server.replies.set('gw.test A', [a('10.0.0.2', 60)])
  await bench.round()
  t.deepEqual(bench.endpoints(), ['10.0.0.2:9443 0/1', '10.0.0.3:9443 0/1'])
})

test('what failed meanwhile does not shorten the hold, and a pool that is emptied holds nothing', async (t) => {
  const replies = { '_https._tcp.test SRV': [srv('a.test'), srv('b.test')], 'a.test A': [a('10.0.0.1')] }
  const bench = await Bench.start(
    t,
    { ...replies, 'b.test A': [a('10.0.0.2')] },
    { ...service, holdMs: 60_000 },
  )
  bench.server.replies.set('_https._tcp.test SRV', [srv('a.test')])
  await bench.round()
  t.deepEqual(bench.endpoints(), ['10.0.0.1:9443 0/1', '10.0.0.2:9443 0/1'])
  bench.server.replies.set('_https._tcp.test SRV', [srv('.', 0, 0, 0)])
  await bench.round()
  t.deepEqual(bench.endpoints(), [])
})

for (const tcp of ['refused', 'silent'] as const) {
  test(`half an answer is a failure when TCP is ${tcp}: the last one stays`, async (t) => {
    const bench = await Bench.start(t, { 'gw.test A': [a('10.0.0.1')] }, {}, 0, { tcp })
    bench.server.replies.set(
      'gw.test A',
      Array.from({ length: 200 }, (_, i) => a(`10.0.1.${i}`)),
    )
    await bench.round()
    t.deepEqual(bench.endpoints(), ['10.0.0.1:9443 0/1'])
    t.regex(bench.log.take()[0] ?? '', tcp === 'refused' ? /does not fit into UDP/ : /no name server answers/)
  })
}

test('it asks for the absolute name and nothing else', async (t) => {
  const bench = await Bench.start(t, {}, { name: 'localhost' })
  t.deepEqual(bench.server.asked, ['localhost A'])
  t.deepEqual(bench.endpoints(), ['the name does not exist (NXDOMAIN)'])
})

for (const [ttl, pauseMs] of [
  [0, 1000],
  [7, 7000],
  [86_400, 300_000],
] as const) {
  test(`a TTL of ${ttl} s asks again after ${pauseMs} ms`, async (t) => {
    const bench = await Bench.start(t, { 'gw.test A': [a('10.0.0.1', ttl), a('10.0.0.2', 90_000)] })
    t.deepEqual(bench.pauses, [pauseMs])
  })
}

test('the pause is longer by up to a tenth, never shorter', async (t) => {
  const bench = await Bench.start(t, { 'gw.test A': [a('10.0.0.1', 10)] }, {}, 1)
  t.deepEqual(bench.pauses.map(Math.round), [11_000])
})

test('a change is taken when the TTL is over', async (t) => {
  const bench = await Bench.start(t, { 'gw.test A': [a('10.0.0.1')] })
  bench.server.replies.set('gw.test A', [a('10.0.0.3')])
  await bench.round()
  t.deepEqual(bench.endpoints(), ['10.0.0.3:9443 0/1'])
  t.is(bench.changes, 2)
})

for (const [reply, reason] of [
  ['NXDOMAIN', 'the name does not exist (NXDOMAIN)'],
  [[], 'the name has no such records'],
  ['SERVFAIL', 'the name server failed (SERVFAIL)'],
  ['REFUSED', 'the name server refuses to answer'],
] as const) {
  test(`${reply.length === 0 ? 'an answer without records' : reply} keeps the last answer; its age grows, and both turns are one line`, async (t) => {
    const bench = await Bench.start(t, { 'gw.test A': [a('10.0.0.1')] })
    bench.server.replies.set('gw.test A', reply)
    for (let i = 0; i < 7; i++) await bench.round()
    t.deepEqual(bench.endpoints(), ['10.0.0.1:9443 0/1'])
    t.like(bench.source.answer, { kind: 'known', confirmedMs: 0, failing: { reason } })
    t.is(bench.source.failures.get('lookup'), 7)
    t.deepEqual(bench.pauses.slice(1), [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000])
    bench.server.replies.set('gw.test A', [a('10.0.0.1')])
    await bench.round()
    t.like(bench.source.answer, { kind: 'known', confirmedMs: bench.clock.nowMs(), failing: null })
    t.deepEqual(bench.log.take(), [
      `warn pool web: dns gw.test A: ${reason}; its last answer stays in use`,
      'info pool web: dns gw.test A: answered again',
    ])
    t.is(bench.changes, 1)
  })
}

test('a server that says nothing is tried twice and is a failure', async (t) => {
  const bench = await Bench.start(t, { 'gw.test A': 'silence' })
  t.deepEqual(bench.endpoints(), ['no name server answers'])
  t.deepEqual(bench.server.asked, ['gw.test A', 'gw.test A'])
  t.deepEqual(bench.log.take(), [
    'warn pool web: dns gw.test A: no name server answers; it has no answer yet, asked again after 1s and more',
  ])
})

test('an answer that does not fit into a datagram comes over TCP', async (t) => {
  const many = Array.from({ length: 200 }, (_, i) => a(`10.0.1.${i}`))
  const bench = await Bench.start(t, { 'gw.test A': many })
  t.is(bench.endpoints().length, 200)
  t.deepEqual(bench.server.asked, ['gw.test A', 'gw.test A (tcp)'])
})

test('SRV targets are looked up in both families; port, priority and weight are the records’', async (t) => {
  const bench = await Bench.start(
    t,
    {
      '_https._tcp.test SRV': [srv('b.test', 20, 5, 444), srv('a.test', 10, 0), srv('c.test', 10, 4)],
      'a.test A': [a('10.0.0.1')],
      'a.test AAAA': [],
      'b.test A': [a('10.0.0.2')],
      'b.test AAAA': [aaaa('2001:db8::2')],
      'c.test A': [a('10.0.0.3', 3)],
      'c.test AAAA': [],
    },
    service,
  )
  t.deepEqual(bench.endpoints(), [
    '10.0.0.1:9443 0/1',
    '10.0.0.3:9443 0/1000',
    '10.0.0.2:444 1/5',
    '[2001:db8::2]:444 1/5',
  ])
  t.deepEqual(bench.pauses, [3000])
})

test('SRV records are asked for again after five seconds, however long the addresses may be kept', async (t) => {
  const replies = { '_https._tcp.test SRV': [srv('a.test')], 'a.test A': [a('10.0.0.1', 600)] }
  const bench = await Bench.start(t, replies, service)
  t.deepEqual(bench.pauses, [5000])
})

test('a target that fails keeps its last addresses, one without any is left out, and both are told once', async (t) => {
  const replies = {
    '_https._tcp.test SRV': [srv('a.test'), srv('b.test'), srv('never.test')],
    'a.test A': [a('10.0.0.1')],
    'a.test AAAA': [aaaa('2001:db8::1')],
    'b.test A': [a('10.0.0.2')],
  }
  const bench = await Bench.start(t, replies, service)
  const before = bench.endpoints()
  t.deepEqual(before, ['10.0.0.1:9443 0/1', '10.0.0.2:9443 0/1', '[2001:db8::1]:9443 0/1'])
  bench.server.replies.set('a.test AAAA', 'SERVFAIL')
  bench.server.replies.set('b.test A', 'SERVFAIL')
  await bench.round()
  await bench.round()
  t.deepEqual(bench.endpoints(), before)
  t.deepEqual(bench.log.take(), [
    'warn pool web: dns _https._tcp.test SRV: never.test is left out: the name does not exist (NXDOMAIN)',
    'warn pool web: dns _https._tcp.test SRV: b.test is used with its last addresses: the name server failed (SERVFAIL); never.test is left out: the name does not exist (NXDOMAIN)',
  ])
  bench.server.replies.set('a.test AAAA', [])
  await bench.round()
  t.deepEqual(bench.endpoints(), ['10.0.0.1:9443 0/1', '10.0.0.2:9443 0/1'])
})

test('a record that leaves takes its endpoint with it, though its target still resolves', async (t) => {
  const replies = {
    '_https._tcp.test SRV': [srv('a.test'), srv('b.test')],
    'a.test A': [a('10.0.0.1')],
    'b.test A': [a('10.0.0.2')],
  }
  const bench = await Bench.start(t, replies, service)
  bench.server.replies.set('_https._tcp.test SRV', [srv('b.test')])
  await bench.round()
  t.deepEqual(bench.endpoints(), ['10.0.0.2:9443 0/1'])
})

test('an SRV record with the target "." empties the pool', async (t) => {
  const replies = { '_https._tcp.test SRV': [srv('a.test')], 'a.test A': [a('10.0.0.1')] }
  const bench = await Bench.start(t, replies, service)
  bench.server.replies.set('_https._tcp.test SRV', [srv('.', 0, 0, 0)])
  await bench.round()
  t.deepEqual(bench.endpoints(), [])
  t.is(bench.changes, 2)
})

test('targets that all fail at first are a failure that names one', async (t) => {
  const bench = await Bench.start(t, { '_https._tcp.test SRV': [srv('a.test')] }, service)
  t.deepEqual(bench.endpoints(), ['no target has an address: a.test: the name does not exist (NXDOMAIN)'])
})

test('stop ends a question that is open, and nothing is told afterwards', async (t) => {
  const server = await DnsServer.start()
  server.replies.set('gw.test A', 'silence')
  const clock = new FakeClock()
  const log = new RecordedLog()
  const config = {
    kind: 'dns',
    name: 'gw.test',
    records: { type: 'address', port: 1 },
    families: ['A'],
    holdMs: 0,
    servers: [server.address],
    allowSpecial: false,
  } as const
  const changed = () => t.fail()
  const source = dnsSource('web', config, {
    log,
    after: clock.after,
    nowMs: clock.nowMs,
    random: () => 0,
    changed,
  })
  source.stop()
  const startMs = performance.now()
  await source.first
  t.true(performance.now() - startMs < 3_000) // and not after the four seconds of a question
  t.is(clock.pending, 0)
  t.deepEqual(log.take(), [])
  await server.close()
})
