import { createServer, type Server } from 'node:net'
import test from 'ava'
import type { HealthConfig } from '../../src/config/config.ts'
import { Registry } from '../../src/control/registry/registry.ts'
import { formatAddress, type SocketAddress } from '../../src/core/address.ts'
import type { After } from '../../src/core/after.ts'
import type { Verdict } from '../../src/core/health.ts'
import type { EndpointId } from '../../src/core/snapshot.ts'
import { Tally } from '../../src/core/tally.ts'
import { type ProbeTarget, probe, probeTargets } from '../../src/probe/probe.ts'
import { Prober } from '../../src/probe/prober.ts'
import { probeHeader } from '../../src/protocol/proxy-header.ts'
import {
  bad,
  FakeClock,
  good,
  health,
  poolConfig,
  RecordedLog,
  resolvedEndpoint,
  resolvedPool,
} from '../control/fixture.ts'
import { closedPort, serve } from './fixture.ts'

const realAfter: After = (ms, fire) => {
  const timer = setTimeout(fire, ms)
  return () => clearTimeout(timer)
}

/** A prober on a fake clock whose probes end when the test says so. */
class Bench {
  readonly clock = new FakeClock()
  readonly begun: { readonly endpoint: EndpointId; readonly atMs: number }[] = []
  readonly verdicts: EndpointId[] = []
  readonly underway = new Map<EndpointId, (verdict: Verdict) => void>()
  readonly doubtful = new Set<EndpointId>()
  overlaps = 0
  readonly prober = new Prober({
    probe: ({ endpoint }, signal) => {
      if (this.underway.has(endpoint)) this.overlaps++
      this.begun.push({ endpoint, atMs: this.clock.nowMs() })
      return new Promise((resolve) => {
        const end = (verdict: Verdict) => {
          this.underway.delete(endpoint)
          resolve(verdict)
        }
        this.underway.set(endpoint, end)
        signal.addEventListener('abort', () => end({ ok: false, reason: 'stopped', fault: 'local' }))
      })
    },
    verdict: (_, endpoint) => this.verdicts.push(endpoint),
    inDoubt: (_, endpoint) => this.doubtful.has(endpoint),
    after: this.clock.after,
    nowMs: this.clock.nowMs,
    random: () => 0.5,
  })

  update(ips: readonly string[], changes: Partial<HealthConfig> = {}): void {
    this.prober.update(probeTargets([resolvedPool(ips, { health: { ...health, ...changes } })]))
  }

  /** Ends all probes under way and lets their loops go on. */
  async answer(): Promise<void> {
    for (const end of [...this.underway.values()]) end(good)
    await new Promise((turn) => setImmediate(turn))
  }

  times(): number[] {
    return this.begun.map(({ atMs }) => atMs)
  }
}

test('the first probe begins at once, the next one an interval after it began', async (t) => {
  const bench = new Bench()
  bench.update(['10.0.0.5'])
  t.deepEqual(bench.times(), [0])
  bench.clock.advance(300)
  await bench.answer()
  bench.clock.advance(1699)
  t.deepEqual(bench.times(), [0])
  bench.clock.advance(1)
  t.deepEqual(bench.times(), [0, 2000])
})

test('without a doubt, a probe that outlasts the interval is never joined by a second one', async (t) => {
  const bench = new Bench()
  bench.update(['10.0.0.5'])
  bench.clock.advance(60_000)
  t.is(bench.begun.length, 1)
  await bench.answer()
  bench.clock.advance(0)
  t.deepEqual(bench.times(), [0, 60_000])
  t.is(bench.overlaps, 0)
})

const one = '10.0.0.5:9443' as EndpointId

test('in doubt, probes follow each other by the fast interval, and do not wait for one that hangs', (t) => {
  const bench = new Bench()
  bench.update(['10.0.0.5'])
  bench.clock.advance(100)
  bench.doubtful.add(one)
  bench.prober.hurry('web', one)
  bench.clock.advance(900)
  t.deepEqual(bench.times(), [0, 250, 500, 750, 1000])
})

test('a sign long after the latest probe is answered by a probe at once', async (t) => {
  const bench = new Bench()
  bench.update(['10.0.0.5'])
  await bench.answer()
  bench.clock.advance(1_200)
  bench.doubtful.add(one)
  bench.prober.hurry('web', one)
  bench.clock.advance(0)
  t.deepEqual(bench.times(), [0, 1_200])
})

test('signs that come faster than timers fire delay no probe', async (t) => {
  const bench = new Bench()
  bench.update(['10.0.0.5'])
  await bench.answer()
  bench.doubtful.add(one)
  for (let i = 0; i < 300; i++) {
    bench.prober.hurry('web', one)
    bench.clock.advance(1)
  }
  t.deepEqual(bench.times(), [0, 250])
})

test('no more than eight probes of one endpoint are under way at once', (t) => {
  const bench = new Bench()
  bench.update(['10.0.0.5'])
  bench.doubtful.add(one)
  bench.prober.hurry('web', one)
  bench.clock.advance(60_000)
  t.is(bench.begun.length, 8)
})

test('without a doubt any more, the next probe comes an interval after the latest', async (t) => {
  const bench = new Bench()
  bench.update(['10.0.0.5'])
  bench.doubtful.add(one)
  await bench.answer()
  bench.clock.advance(250)
  bench.doubtful.clear()
  await bench.answer()
  bench.clock.advance(2_000)
  t.deepEqual(bench.times(), [0, 250, 2_250])
})

test('verdicts are told in the order in which their probes began', async (t) => {
  const clock = new FakeClock()
  const ends: ((verdict: Verdict) => void)[] = []
  const told: boolean[] = []
  const prober = new Prober({
    probe: () => new Promise((resolve) => ends.push(resolve)),
    verdict: (_pool, _endpoint, { ok }) => told.push(ok),
    inDoubt: () => true,
    after: clock.after,
    nowMs: clock.nowMs,
    random: () => 0.5,
  })
  prober.update(probeTargets([resolvedPool(['10.0.0.5'])]))
  clock.advance(600)
  t.is(ends.length, 3)
  const turn = () => new Promise((resolve) => setImmediate(resolve))
  ends[1]?.(good)
  await turn()
  t.deepEqual(told, [], 'an answer waits for the one before it, which may be a timeout')
  ends[0]?.(bad)
  await turn()
  t.deepEqual(told, [false, true])
  ends[2]?.(bad)
  await turn()
  t.deepEqual(told, [false, true, false])
  prober.stop()
  t.is(clock.pending, 0)
})

test('the first probes of many endpoints are spread over at most 100 ms', (t) => {
  const bench = new Bench()
  bench.update(Array.from({ length: 200 }, (_, i) => `10.0.0.${i}`))
  t.is(bench.begun.length, 1)
  bench.clock.advance(100)
  t.is(bench.begun.length, 200)
  t.is(new Set(bench.times()).size, 200)
})

test('an update leaves the schedule of unchanged endpoints alone', async (t) => {
  const bench = new Bench()
  bench.update(['10.0.0.5'])
  await bench.answer()
  bench.clock.advance(1500)
  bench.update(['10.0.0.5', '10.0.0.6'])
  bench.clock.advance(500)
  t.deepEqual(bench.begun, [
    { endpoint: '10.0.0.5:9443' as EndpointId, atMs: 0 },
    { endpoint: '10.0.0.6:9443' as EndpointId, atMs: 1500 },
    { endpoint: '10.0.0.5:9443' as EndpointId, atMs: 2000 },
  ])
})

test('a changed probe begins again at once', async (t) => {
  const bench = new Bench()
  bench.update(['10.0.0.5'])
  await bench.answer()
  bench.clock.advance(500)
  bench.update(['10.0.0.5'], { intervalMs: 1000 })
  await bench.answer()
  bench.clock.advance(1000)
  t.deepEqual(bench.times(), [0, 500, 1500])
})

test('an endpoint that leaves is not probed any more, and its probe under way has no verdict', async (t) => {
  const bench = new Bench()
  bench.update(['10.0.0.5', '10.0.0.6'])
  bench.clock.advance(100)
  bench.update(['10.0.0.6'])
  t.deepEqual([...bench.underway.keys()], ['10.0.0.6:9443' as EndpointId])
  await bench.answer()
  t.deepEqual(bench.verdicts, ['10.0.0.6:9443' as EndpointId])
})

test('stop ends probes under way and leaves no timer', async (t) => {
  const bench = new Bench()
  bench.update(['10.0.0.5', '10.0.0.6'])
  await bench.answer()
  bench.clock.advance(5)
  t.is(bench.underway.size, 1)
  bench.prober.stop()
  await bench.answer()
  t.is(bench.underway.size, 0)
  t.is(bench.clock.pending, 0)
  t.is(bench.verdicts.length, 1)
})

test('endpoints of a pool without probing are no targets', (t) => {
  const off: HealthConfig = { ...health, probe: { kind: 'off' } }
  t.deepEqual(probeTargets([resolvedPool(['10.0.0.5'], { health: off })]), [])
})

function target(address: SocketAddress, changes: Partial<ProbeTarget> = {}): ProbeTarget {
  const endpoint = formatAddress(address) as EndpointId
  return { pool: 'web', endpoint, address, health, proxyProtocol: 'off', ...changes }
}

/** What a server receives from one tcp probe of a pool that sends PROXY v2, sent to `port` (null: the endpoint's own). */
for (const separate of [false, true]) {
  test(`a probe of ${separate ? 'a separate health port sends no' : "the endpoint's own port sends the"} PROXY header`, async (t) => {
    const received = Promise.withResolvers<Buffer>()
    const server = await serve(t, (socket) => {
      const chunks: Buffer[] = []
      socket.on('data', (chunk: Buffer) => chunks.push(chunk))
      socket.once('end', () => received.resolve(Buffer.concat(chunks)))
    })
    const { address } = server
    const port = separate ? address.port : null
    const endpoint = separate ? await closedPort() : address
    const health2: HealthConfig = { ...health, probe: { kind: 'tcp', port, close: 'fin' } }
    const verdict = await probe(
      target(endpoint, { health: health2, proxyProtocol: 'v2' }),
      new AbortController().signal,
    )
    t.true(verdict.ok)
    t.deepEqual(await received.promise, separate ? Buffer.alloc(0) : Buffer.from(probeHeader('v2')))
  })
}

/** A server on an address of its own that can be stopped and started again. */
class Toggled {
  readonly #address: SocketAddress
  #server: Server | null = null

  constructor(address: SocketAddress) {
    this.#address = address
  }

  async start(): Promise<void> {
    const server = createServer((socket) => socket.on('error', () => {}).resume())
    this.#server = server
    await new Promise<void>((listening) => server.listen(this.#address.port, '127.0.0.1', listening))
  }

  stop(): void {
    this.#server?.close()
    this.#server = null
  }
}

test.serial(
  'a real server goes down at the third failed probe and up at the second good one, exactly',
  async (t) => {
    const address = await closedPort()
    const endpoint = { ...resolvedEndpoint('127.0.0.1', address.port), address }
    const config = poolConfig({ health: { ...health, intervalMs: 50, fastIntervalMs: 20 } })
    const pools = [{ config, endpoints: [endpoint], unresolved: [] }]
    const tally = new Tally(1)
    const common = { nowMs: () => performance.now(), random: Math.random, after: realAfter }
    const registry = new Registry({
      ...common,
      tally,
      log: new RecordedLog(),
      applyParting() {},
      revived() {},
      doubt() {},
    })
    registry.update(pools)

    let history = ''
    let heard = () => {}
    const until = async (ending: RegExp) => {
      while (!ending.test(history)) await new Promise<void>((next) => (heard = next))
    }
    const prober = new Prober({
      ...common,
      probe,
      inDoubt: (pool, id) => registry.inDoubt(pool, id),
      verdict: (pool, id, verdict) => {
        registry.verdict(pool, id, verdict)
        history += `${verdict.ok ? '+' : '-'}${registry.usable('web') === 1 ? 'U' : 'D'}`
        heard()
      },
    })
    const server = new Toggled(address)
    t.teardown(() => {
      prober.stop()
      registry.stop()
      server.stop()
    })

    await server.start()
    prober.update(probeTargets(pools))
    await until(/^\+U\+U/)
    server.stop()
    await until(/-D-D$/)
    await server.start()
    await until(/\+U\+U$/)
    t.regex(history, /^(\+U){2,}-U-U-D(-D)+\+D(\+U)+$/)
  },
)
