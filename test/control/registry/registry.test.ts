import test from 'ava'
import fc from 'fast-check'
import type { Parting } from '../../../src/control/registry/endpoint-record.ts'
import { Registry } from '../../../src/control/registry/registry.ts'
import type { Verdict } from '../../../src/core/health.ts'
import type { AttemptError } from '../../../src/core/outcome.ts'
import type { EndpointId } from '../../../src/core/snapshot.ts'
import { add, endpointCell, endpointField, healthBit, Tally } from '../../../src/core/tally.ts'
import type { ResolvedPool } from '../../../src/discovery/resolved-pool.ts'
import { bad, FakeClock, good, health, RecordedLog, resolvedEndpoint, resolvedPool } from '../fixture.ts'

const a = '10.0.0.5:9443' as EndpointId
const b = '10.0.0.6:9443' as EndpointId
const c = '10.0.0.7:9443' as EndpointId
const three = ['10.0.0.5', '10.0.0.6', '10.0.0.7']
const two = three.slice(0, 2)
const refused: AttemptError = { reason: 'refused', code: 'ECONNREFUSED' }
const minuteMs = 60_000

class Bench {
  readonly tally = new Tally(1)
  readonly clock = new FakeClock()
  readonly log = new RecordedLog()
  readonly partings: { readonly kind: Parting['kind']; readonly slots: readonly number[] }[] = []
  readonly revived: string[] = []
  readonly doubted: EndpointId[] = []
  readonly registry = new Registry({
    tally: this.tally,
    log: this.log,
    nowMs: this.clock.nowMs,
    random: () => 0,
    after: this.clock.after,
    applyParting: (slots, { kind }) => void this.partings.push({ kind, slots }),
    revived: (pool) => void this.revived.push(pool),
    doubt: (_, endpoint) => void this.doubted.push(endpoint),
    room: () => this.room(),
  })
  /** Called when there is room again for endpoints that were left out. */
  room = (): void => {}
  #version = 0

  constructor(...pools: ResolvedPool[]) {
    this.update(...pools)
  }

  /** Updates, publishes, and lets all workers acknowledge it. */
  update(...pools: ResolvedPool[]): void {
    this.registry.update(pools)
    this.registry.acknowledged(this.publish())
  }

  publish(): number {
    this.registry.pools(++this.#version)
    return this.#version
  }

  slot(endpoint: EndpointId): number {
    const found = this.registry.endpoints().find((each) => each.endpoint === endpoint)
    if (found === undefined) throw new Error(`no ${endpoint}`)
    return found.slot
  }

  word(endpoint: EndpointId): number {
    return this.tally.health(this.slot(endpoint))
  }

  probe(endpoint: EndpointId, ...verdicts: Verdict[]): void {
    for (const verdict of verdicts) this.registry.verdict('web', endpoint, verdict)
  }

  dial(endpoint: EndpointId, times: number, error: AttemptError | null = refused): void {
    for (let i = 0; i < times; i++) this.registry.attempt({ slot: this.slot(endpoint), ms: 1, error })
  }

  cutOff(endpoint: EndpointId, times: number): void {
    const slot = this.slot(endpoint)
    const served = this.tally.sum(endpointCell(slot) + endpointField.served)
    for (let i = 0; i < times; i++) this.registry.signs([{ kind: 'cut-off', slot, served }])
  }

  serve(endpoint: EndpointId): void {
    add(this.tally.row(1), endpointCell(this.slot(endpoint)) + endpointField.served, 1)
  }

  silence(endpoint: EndpointId): void {
    const slot = this.slot(endpoint)
    this.registry.signs([{ kind: 'silent', slot, waiting: 3, waitedMs: 700, usualMs: 4 }])
  }

  states(): string[] {
    return this.registry.status().flatMap((pool) => pool.endpoints.map(({ state }) => state))
  }
}

test('new endpoints are used before any probe has answered', (t) => {
  const bench = new Bench(resolvedPool(three))
  t.deepEqual(
    [a, b, c].map((id) => bench.word(id)),
    [0, 0, 0],
  )
  t.deepEqual(bench.states(), ['unknown', 'unknown', 'unknown'])
  t.is(bench.registry.usable('web'), 3)
})

test('each endpoint has a slot of its own, in two pools too', (t) => {
  const bench = new Bench(resolvedPool(two), resolvedPool(two, { name: 'other' }))
  t.is(new Set(bench.registry.endpoints().map(({ slot }) => slot)).size, 4)
})

test('a pool is published by priority, then by id', (t) => {
  const endpoints = [
    resolvedEndpoint('10.0.0.9', 1, 1),
    resolvedEndpoint('10.0.0.7'),
    resolvedEndpoint('10.0.0.6'),
  ]
  const bench = new Bench({ ...resolvedPool([]), endpoints })
  const ids = bench.registry.pools(2)[0]?.endpoints.map(({ id }) => id)
  t.deepEqual(ids, [b, c, '10.0.0.9:1' as EndpointId])
})

test('probes that fail take an endpoint out, and the line says what, why and what remains', (t) => {
  const bench = new Bench(resolvedPool(three))
  bench.probe(a, good, bad, bad)
  t.is(bench.word(a), 0)
  bench.probe(a, bad)
  t.is(bench.word(a), healthBit.down)
  t.deepEqual(bench.log.take(), [
    'info pool web: endpoint 10.0.0.5:9443 is up: tcp: connected in 1.0 ms (first probe succeeded); 3 of 3 endpoints up',
    'warn pool web: endpoint 10.0.0.5:9443 is down: tcp: connection refused (3 of 3 probes failed); 2 of 3 endpoints up',
  ])
})

test('an endpoint that answers again is used again', (t) => {
  const bench = new Bench(resolvedPool(three))
  bench.probe(a, bad)
  bench.log.take()
  bench.probe(a, good, good)
  t.is(bench.word(a), 0)
  t.deepEqual(bench.log.take(), [
    'info pool web: endpoint 10.0.0.5:9443 is up: tcp: connected in 1.0 ms (2 of 2 probes succeeded); 3 of 3 endpoints up',
  ])
})

test('panic is logged once when it begins and once when it is over', (t) => {
  const bench = new Bench(resolvedPool(two))
  bench.probe(a, bad)
  bench.probe(b, good)
  t.false(bench.registry.status()[0]?.panic)
  bench.log.take()
  bench.probe(b, bad, bad, bad, bad, bad)
  t.true(bench.registry.status()[0]?.panic)
  bench.probe(a, good, good)
  t.false(bench.registry.status()[0]?.panic)
  t.deepEqual(bench.log.take(), [
    'warn pool web: endpoint 10.0.0.6:9443 is down: tcp: connection refused (3 of 3 probes failed); no endpoint up: all are tried (panic)',
    'info pool web: endpoint 10.0.0.5:9443 is up: tcp: connected in 1.0 ms (2 of 2 probes succeeded); 1 of 2 endpoints up, panic is over',
  ])
})

test('a panic that begins with a reload is a warning', (t) => {
  const bench = new Bench(resolvedPool(two))
  bench.probe(a, bad)
  bench.log.take()
  bench.update(resolvedPool(['10.0.0.5']))
  t.deepEqual(bench.log.take(), ['warn pool web: 10.0.0.6:9443 left; no endpoint up: all are tried (panic)'])
})

test('five dials that fail in a row eject, and time brings the endpoint back', (t) => {
  const bench = new Bench(resolvedPool(three))
  bench.dial(a, 4)
  t.is(bench.word(a), 0)
  bench.dial(a, 1)
  t.is(bench.word(a), healthBit.ejected)
  bench.clock.advance(29_999)
  t.is(bench.word(a), healthBit.ejected)
  bench.clock.advance(1)
  t.is(bench.word(a), 0)
  t.deepEqual(bench.log.take(), [
    'warn pool web: endpoint 10.0.0.5:9443 is ejected for 30s: 5 dials in a row failed (ECONNREFUSED); 2 of 3 endpoints up',
    'info pool web: endpoint 10.0.0.5:9443 is back after its ejection of 30s; 3 of 3 endpoints up',
  ])
})

test('a second ejection soon after the first lasts twice as long', (t) => {
  const bench = new Bench(resolvedPool(three))
  bench.dial(a, 5)
  bench.clock.advance(30_000)
  bench.dial(a, 5)
  bench.clock.advance(59_999)
  t.is(bench.word(a), healthBit.ejected)
  bench.clock.advance(1)
  t.is(bench.word(a), 0)
})

test('probes that succeed in a row end an ejection, and the next one is longer', (t) => {
  const bench = new Bench(resolvedPool(three))
  bench.probe(a, good)
  bench.dial(a, 5)
  bench.log.take()
  bench.probe(a, good)
  t.is(bench.word(a), healthBit.ejected, 'one is not enough')
  bench.probe(a, good)
  t.is(bench.word(a), 0)
  t.deepEqual(bench.log.take(), [
    'info pool web: endpoint 10.0.0.5:9443 is back before its ejection was over: tcp: connected in 1.0 ms; 3 of 3 endpoints up',
  ])
  bench.dial(a, 5)
  t.regex(bench.log.take().join(), /ejected for 1m/)
  t.is(bench.clock.pending, 1, 'the timers of ended ejections are cancelled')
})

test('an endpoint that comes and goes stays ejected, however often a probe meets it while it is there', (t) => {
  const bench = new Bench(resolvedPool(three))
  bench.probe(a, good)
  bench.dial(a, 5)
  for (let i = 0; i < 6; i++) {
    bench.probe(a, good)
    bench.probe(a, bad)
  }
  t.is(bench.word(a), healthBit.ejected)
})

test('no more than half of a pool is ejected, and the log says so once', (t) => {
  const bench = new Bench(resolvedPool(three))
  bench.dial(a, 5)
  bench.log.take()
  bench.dial(b, 9)
  t.is(bench.word(b), 0)
  t.deepEqual(bench.log.take(), [
    'warn pool web: endpoint 10.0.0.6:9443 stays in use, at most half of a pool is ejected: 5 dials in a row failed (ECONNREFUSED); 2 of 3 endpoints up',
  ])
})

test('the last endpoint that is up is not ejected', (t) => {
  const bench = new Bench(resolvedPool(two))
  bench.probe(a, bad)
  bench.log.take()
  bench.dial(b, 5)
  t.is(bench.word(b), 0)
  t.deepEqual(bench.log.take(), [
    'warn pool web: endpoint 10.0.0.6:9443 stays in use, it is the last one up: 5 dials in a row failed (ECONNREFUSED); 1 of 2 endpoints up',
  ])
})

test('whatever dials and probes say, at most half of a pool is ejected and the words agree with the status', (t) => {
  const ids = [a, b, c, '10.0.0.8:9443' as EndpointId, '10.0.0.9:9443' as EndpointId]
  const event = fc.record({
    which: fc.nat(4),
    what: fc.constantFrom('fail', 'fail', 'fail', 'connect', 'good', 'bad', 'wait', 'drain', 'ready'),
    times: fc.integer({ min: 1, max: 6 }),
  })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.array(event, { maxLength: 60 }), (size, events) => {
      const bench = new Bench(resolvedPool(ids.slice(0, size).map((id) => id.slice(0, -5))))
      for (const { which, what, times } of events) {
        const id = ids[which % size] ?? a
        if (what === 'fail') bench.dial(id, times)
        if (what === 'connect') bench.dial(id, times, null)
        if (what === 'good') bench.probe(id, ...new Array<Verdict>(times).fill(good))
        if (what === 'bad') bench.probe(id, ...new Array<Verdict>(times).fill(bad))
        if (what === 'wait') bench.clock.advance(times * 7000)
        if (what === 'drain') bench.registry.drain('web', id)
        if (what === 'ready') bench.registry.ready('web', id)
        const words = ids.slice(0, size).map((each) => bench.word(each))
        const ejected = words.filter((word) => (word & healthBit.ejected) !== 0).length
        if (ejected > Math.floor(size / 2)) return false
        if (words.filter((word) => word === 0).length !== bench.registry.usable('web')) return false
        const free = words.some((word) => word === 0)
        const draining = words.every((word) => (word & healthBit.draining) !== 0)
        if (bench.registry.status()[0]?.panic !== (!free && !draining)) return false
      }
      return true
    }),
    { numRuns: 60 },
  )
  t.pass()
})

test('dials that fail for a reason of this machine never eject', (t) => {
  const bench = new Bench(resolvedPool(three))
  bench.dial(a, 50, { reason: 'local', code: 'EMFILE' })
  bench.dial(a, 50, { reason: 'ports-exhausted', code: 'EADDRNOTAVAIL' })
  t.is(bench.word(a), 0)
  t.deepEqual(bench.log.lines, [])
})

test('probes that fail for a reason of this machine change nothing, and are logged once a minute', (t) => {
  const bench = new Bench(resolvedPool(three))
  const local: Verdict = { ok: false, reason: 'tcp: too many open files in this process', fault: 'local' }
  bench.probe(a, local, local, local)
  bench.clock.advance(minuteMs)
  bench.probe(a, local)
  t.is(bench.word(a), 0)
  t.deepEqual(bench.registry.healthChecks(), { success: 0, failure: 0 })
  const line =
    'warn probes fail for a reason of this machine, so endpoints keep their state: tcp: too many open files in this process'
  t.deepEqual(bench.log.lines, [line, line])
})

test('without an outlier rule nothing is ejected', (t) => {
  const bench = new Bench(resolvedPool(three, { outlier: null }))
  bench.dial(a, 50)
  t.is(bench.word(a), 0)
})

test('an ejected endpoint that probes call down is down, and makes room for another ejection', (t) => {
  const bench = new Bench(resolvedPool(three))
  bench.dial(a, 5)
  bench.probe(a, bad)
  t.is(bench.word(a), healthBit.down)
  t.is(bench.clock.pending, 0)
  bench.dial(b, 5)
  t.is(bench.word(b), healthBit.ejected)
})

test('probes and ejections are counted', (t) => {
  const bench = new Bench(resolvedPool(three))
  bench.probe(a, good, bad, bad)
  bench.dial(b, 5)
  t.deepEqual(bench.registry.healthChecks(), { success: 1, failure: 2 })
  t.deepEqual(
    bench.registry.endpoints().map(({ endpoint, now, ejections }) => ({ endpoint, up: now?.up, ejections })),
    [
      { endpoint: a, up: true, ejections: 0 },
      { endpoint: b, up: false, ejections: 1 },
      { endpoint: c, up: true, ejections: 0 },
    ],
  )
})

test('what is known of an endpoint survives a reload', (t) => {
  const bench = new Bench(resolvedPool(three))
  bench.probe(a, bad)
  bench.dial(b, 5)
  bench.registry.drain('web', c)
  const before = [a, b, c].map((id) => [bench.slot(id), bench.word(id)])
  bench.update(resolvedPool(three, { balance: 'round-robin' }))
  t.deepEqual(
    [a, b, c].map((id) => [bench.slot(id), bench.word(id)]),
    before,
  )
  t.deepEqual(bench.states(), ['down', 'ejected', 'draining'])
})

test('who joins and who leaves is one line, and a reload that changes nobody is none', (t) => {
  const bench = new Bench(resolvedPool(two))
  bench.update(resolvedPool(two))
  bench.update(resolvedPool(['10.0.0.6', '10.0.0.7', '10.0.0.8']))
  t.deepEqual(bench.log.take(), [
    'info pool web: 10.0.0.7:9443, 10.0.0.8:9443 joined, 10.0.0.5:9443 left; 3 of 3 endpoints up',
  ])
})

test('the last probe of an endpoint that left is ignored', (t) => {
  const bench = new Bench(resolvedPool(two))
  bench.update(resolvedPool(['10.0.0.6']))
  bench.log.take()
  bench.probe(a, bad)
  t.deepEqual(bench.log.lines, [])
  t.is(bench.word(a), 0)
})

test('a late dial of an endpoint that left is ignored', (t) => {
  const bench = new Bench(resolvedPool(three))
  bench.update(resolvedPool(two))
  bench.log.take()
  bench.dial(c, 50)
  t.is(bench.word(c), 0)
  t.deepEqual(bench.log.lines, [])
})

test('a late dial to a slot that was freed is ignored', (t) => {
  const bench = new Bench(resolvedPool(three))
  const slot = bench.slot(c)
  bench.update(resolvedPool(two))
  bench.clock.advance(11 * minuteMs)
  for (let i = 0; i < 50; i++) bench.registry.attempt({ slot, ms: 1, error: refused })
  t.is(bench.tally.health(slot), 0)
})

test('what was counted of an endpoint that left is told for ten minutes more, and nothing of how it is', (t) => {
  const bench = new Bench(resolvedPool(two))
  bench.update(resolvedPool(['10.0.0.5']))
  bench.clock.advance(10 * minuteMs - 1)
  t.deepEqual(
    bench.registry.endpoints().map(({ now }) => now?.state ?? null),
    ['unknown', null],
  )
  bench.clock.advance(1)
  t.deepEqual(
    bench.registry.endpoints().map(({ endpoint }) => endpoint),
    [a],
  )
})

/** The slot of a newcomer eleven minutes after `b` left; `hold` prevents the slot of `b` from being freed. */
function newcomer(hold: (bench: Bench, slot: number) => void): {
  readonly old: number
  readonly next: number
} {
  const bench = new Bench(resolvedPool(two))
  const old = bench.slot(b)
  bench.registry.update([resolvedPool(['10.0.0.5'])])
  hold(bench, old)
  bench.clock.advance(11 * minuteMs)
  bench.update(resolvedPool(['10.0.0.5', '10.0.0.7']))
  return { old, next: bench.slot(c) }
}

test('a slot is given away when all workers know, nothing is open and ten minutes are over', (t) => {
  const { old, next } = newcomer((bench) => bench.registry.acknowledged(bench.publish()))
  t.is(next, old)
})

test('a slot is kept while a worker has not acknowledged', (t) => {
  const { old, next } = newcomer((bench) => void bench.publish())
  t.not(next, old)
})

test('a slot is kept while nothing without it is published', (t) => {
  const { old, next } = newcomer((bench) => bench.registry.acknowledged(99))
  t.not(next, old)
})

test('a slot is kept while a connection to its endpoint is open', (t) => {
  const { old, next } = newcomer((bench, slot) => {
    bench.registry.acknowledged(bench.publish())
    add(bench.tally.row(1), endpointCell(slot) + endpointField.active, 1)
  })
  t.not(next, old)
})

test('a slot is kept for ten minutes', (t) => {
  const bench = new Bench(resolvedPool(two))
  const old = bench.slot(b)
  bench.update(resolvedPool(['10.0.0.5']))
  bench.clock.advance(9 * minuteMs)
  bench.update(resolvedPool(['10.0.0.5', '10.0.0.7']))
  t.not(bench.slot(c), old)
})

test('the counters of a slot begin at zero for its next endpoint', (t) => {
  const bench = new Bench(resolvedPool(two))
  const cell = endpointCell(bench.slot(b)) + endpointField.attempts
  add(bench.tally.row(1), cell, 7)
  bench.update(resolvedPool(['10.0.0.5']))
  t.is(bench.tally.sum(cell), 7)
  bench.clock.advance(11 * minuteMs)
  t.is(bench.tally.sum(cell), 0)
})

test('an endpoint that comes back in time has its slot, its counters and its last state', (t) => {
  const bench = new Bench(resolvedPool(two))
  const slot = bench.slot(b)
  bench.probe(b, bad)
  bench.update(resolvedPool(['10.0.0.5']))
  bench.clock.advance(5 * minuteMs)
  bench.update(resolvedPool(two))
  t.is(bench.slot(b), slot)
  t.is(bench.word(b), healthBit.down)
})

test('when all slots are taken, one that nobody uses is freed before its ten minutes are over', (t) => {
  const many = Array.from({ length: 4096 }, (_, i) => `10.1.${i >> 8}.${i & 255}`)
  const bench = new Bench(resolvedPool(many))
  bench.update(resolvedPool(many.slice(1)))
  bench.update(resolvedPool([...many.slice(1), '10.0.0.5', '10.0.0.6']))
  t.is(bench.registry.usable('web'), 4096)
  const errors = bench.log.lines.filter((line) => line.startsWith('error'))
  t.is(errors.length, 1)
  t.regex(
    errors.join(),
    /pool web: 1 of its 4097 endpoints are left out: there is room for 4096 in all pools/,
  )
})

test('draining takes an endpoint out until it is ready again', (t) => {
  const bench = new Bench(resolvedPool(two))
  t.deepEqual(bench.registry.drain('web', a), { ok: true, changed: true })
  t.deepEqual(bench.registry.drain('web', a), { ok: true, changed: false })
  t.is(bench.word(a), healthBit.draining)
  t.is(bench.registry.usable('web'), 1)
  t.deepEqual(bench.registry.ready('web', a), { ok: true, changed: true })
  t.is(bench.word(a), 0)
  t.deepEqual(bench.log.take(), [
    'info pool web: endpoint 10.0.0.5:9443 is draining: asked by the admin; 1 of 2 endpoints up',
    'info pool web: endpoint 10.0.0.5:9443 is unknown: draining is over; 2 of 2 endpoints up',
  ])
})

test('a pool whose endpoints all drain is empty, not in panic', (t) => {
  const bench = new Bench(resolvedPool(['10.0.0.5']))
  bench.registry.drain('web', a)
  t.false(bench.registry.status()[0]?.panic)
  t.regex(bench.log.take().join(), /no endpoint left: all are draining$/)
})

test('draining what does not exist says what there is', (t) => {
  const bench = new Bench(resolvedPool(two))
  t.deepEqual(bench.registry.drain('wbe', a), { ok: false, message: 'no pool `wbe`; there are: web' })
  t.deepEqual(bench.registry.drain('web', c), {
    ok: false,
    message: 'no endpoint `10.0.0.7:9443` in pool web; there are: 10.0.0.5:9443, 10.0.0.6:9443',
  })
})

test('a reload that turns probing off puts a down endpoint back into use', (t) => {
  const bench = new Bench(resolvedPool(two))
  bench.probe(a, bad)
  bench.update(resolvedPool(two, { health: { ...health, probe: { kind: 'off' } } }))
  t.is(bench.word(a), 0)
  bench.probe(a, bad)
  t.is(bench.word(a), 0, 'a late verdict does not count')
})

test('a reload that turns ejection off puts an ejected endpoint back into use', (t) => {
  const bench = new Bench(resolvedPool(two))
  bench.dial(a, 5)
  bench.update(resolvedPool(two, { outlier: null }))
  t.is(bench.word(a), 0)
  t.is(bench.clock.pending, 0)
})

test('a pool that becomes smaller keeps at most half of it ejected', (t) => {
  const bench = new Bench(resolvedPool([...three, '10.0.0.8']))
  bench.dial(a, 5)
  bench.clock.advance(1000)
  bench.dial(b, 5)
  bench.log.take()
  bench.update(resolvedPool(two))
  t.deepEqual([bench.word(a), bench.word(b)], [0, healthBit.ejected])
  t.deepEqual(bench.log.take(), [
    'info pool web: endpoint 10.0.0.5:9443 is back: the pool became smaller, at most half of it is ejected; 1 of 2 endpoints up',
    'info pool web: 10.0.0.7:9443, 10.0.0.8:9443 left; 1 of 2 endpoints up',
  ])
})

test('the status shows states, reasons, times, connections and names without an address', (t) => {
  const unresolved = [
    {
      endpoint: 'node-9.internal:9443',
      name: 'node-9.internal',
      priority: 1,
      weight: 2,
      reason: 'does not resolve (ENOTFOUND)',
      sinceMs: 0,
    },
  ]
  const bench = new Bench({ ...resolvedPool(three), unresolved })
  bench.probe(a, good)
  bench.probe(b, bad)
  add(bench.tally.row(1), endpointCell(bench.slot(a)) + endpointField.active, 4)
  bench.clock.advance(1500)
  bench.probe(a, bad)
  bench.dial(c, 5)
  bench.clock.advance(500)
  const common = { name: null, priority: 0, weight: 1, share: 0, active: 0 }
  t.deepEqual(bench.registry.status(), [
    {
      name: 'web',
      balance: 'p2c',
      panic: false,
      waiting: false,
      endpoints: [
        {
          ...common,
          endpoint: a,
          share: 1,
          state: 'up',
          reason: 'tcp: connection refused (1 of 3 probes failed)',
          forMs: 2000,
          active: 4,
        },
        { ...common, endpoint: b, state: 'down', reason: 'tcp: connection refused', forMs: 2000 },
        {
          ...common,
          endpoint: c,
          state: 'ejected',
          reason: '5 dials in a row failed (ECONNREFUSED); back in 30s',
          forMs: 500,
        },
        {
          endpoint: 'node-9.internal:9443',
          name: 'node-9.internal',
          priority: 1,
          weight: 2,
          share: 0,
          state: 'unresolved',
          reason: 'does not resolve (ENOTFOUND)',
          forMs: 2000,
          active: 0,
        },
      ],
    },
  ])
})

test('a stopped registry leaves no timer', (t) => {
  const bench = new Bench(resolvedPool(three))
  bench.dial(a, 5)
  bench.update(resolvedPool(two))
  t.is(bench.clock.pending, 2)
  bench.registry.stop()
  t.is(bench.clock.pending, 0)
})

const web = {
  ...health,
  probe: { kind: 'http', port: null, secure: false, path: '/', status: [200], host: null },
} as const
const spoken: Verdict = { ok: true, ms: 1, detail: 'http: status 200 in 1.0 ms', spoke: true }

test('connections that are reset before their first byte eject, and the line says so', (t) => {
  const bench = new Bench(resolvedPool(three))
  bench.cutOff(a, 4)
  t.is(bench.word(a), 0)
  bench.cutOff(a, 1)
  t.is(bench.word(a), healthBit.ejected)
  t.deepEqual(bench.log.take(), [
    'warn pool web: endpoint 10.0.0.5:9443 is ejected for 30s: 5 connections in a row were reset before their first byte; 2 of 3 endpoints up',
  ])
})

test('a served connection between cut-offs starts the count again', (t) => {
  const bench = new Bench(resolvedPool(three))
  bench.cutOff(a, 4)
  bench.serve(a)
  bench.cutOff(a, 4)
  t.is(bench.word(a), 0)
})

test('when all endpoints of a pool cut off, it is the clients, and the log says so once', (t) => {
  const bench = new Bench(resolvedPool(two))
  for (let i = 0; i < 9; i++) for (const id of [a, b]) bench.cutOff(id, 1)
  t.deepEqual(bench.states(), ['unknown', 'unknown'])
  t.deepEqual(bench.log.take(), [
    'warn pool web: endpoint 10.0.0.5:9443 stays in use, the others do the same, so it may be the clients: 5 connections in a row were reset before their first byte; 2 of 2 endpoints up',
    'warn pool web: endpoint 10.0.0.6:9443 stays in use, the others do the same, so it may be the clients: 5 connections in a row were reset before their first byte; 2 of 2 endpoints up',
  ])
  bench.serve(b)
  bench.cutOff(a, 1)
  t.deepEqual(bench.states(), ['ejected', 'unknown'], 'the other one has served meanwhile')
})

test('a tcp probe does not end an ejection for cut-offs, an http probe does', (t) => {
  const bench = new Bench(resolvedPool(three, { health: web }))
  bench.probe(a, good)
  bench.cutOff(a, 5)
  bench.probe(a, good, good, good)
  t.is(bench.word(a), healthBit.ejected)
  bench.probe(a, spoken, spoken)
  t.is(bench.word(a), 0)
})

test('a silent endpoint is taken last and says why; a client that hears it ends that, with one line each', (t) => {
  const bench = new Bench(resolvedPool(three))
  bench.silence(a)
  bench.silence(a)
  t.is(bench.word(a), healthBit.silent)
  const [endpoint] = bench.registry.status()[0]?.endpoints ?? []
  t.is(endpoint?.state, 'silent')
  t.is(
    endpoint?.reason,
    '3 connections have waited 700 ms for a first byte; usually 4.0 ms; no probe has answered yet',
  )
  bench.clock.advance(2_300)
  bench.registry.signs([
    { kind: 'heard', slot: bench.slot(a) },
    { kind: 'heard', slot: bench.slot(a) },
  ])
  t.is(bench.word(a), 0)
  t.deepEqual(bench.log.take(), [
    'warn pool web: endpoint 10.0.0.5:9443 is silent: 3 connections have waited 700 ms for a first byte; usually 4.0 ms; 3 of 3 endpoints up',
    'info pool web: endpoint 10.0.0.5:9443 speaks again after 2.3s; 3 of 3 endpoints up',
  ])
})

test('at most half of a pool is silent, and somebody who is not must be left', (t) => {
  const bench = new Bench(resolvedPool(three))
  for (const id of [a, b, c]) bench.silence(id)
  t.deepEqual(bench.states(), ['silent', 'unknown', 'unknown'])
  const other = new Bench(resolvedPool(two))
  other.tally.suspect(other.slot(b))
  other.silence(a)
  t.deepEqual(other.states(), ['unknown', 'suspect'])
  const alone = new Bench(resolvedPool(['10.0.0.5']))
  alone.silence(a)
  t.deepEqual(alone.states(), ['unknown'])
})

test('a probe ends a silence only with bytes from the port of the clients', (t) => {
  const bench = new Bench(resolvedPool(three, { health: web }))
  bench.silence(a)
  bench.probe(a, good)
  t.is(bench.word(a), healthBit.silent, 'its kernel has answered')
  bench.probe(a, spoken)
  t.is(bench.word(a), 0)
  const elsewhere = new Bench(resolvedPool(three, { health: { ...web, probe: { ...web.probe, port: 81 } } }))
  elsewhere.silence(a)
  elsewhere.probe(a, spoken, spoken)
  t.is(elsewhere.word(a), healthBit.silent, 'the other port has its own process, for all we know')
  elsewhere.probe(a, bad, bad, bad, spoken, spoken)
  t.is(elsewhere.word(a), 0, 'it was down, and is back')
})

test('an endpoint that falls silent again is not believed at its next probe', (t) => {
  const bench = new Bench(resolvedPool(three, { health: web }))
  bench.silence(a)
  bench.probe(a, spoken)
  bench.silence(a)
  bench.probe(a, spoken)
  t.is(bench.word(a), healthBit.silent)
  bench.clock.advance(1_000)
  bench.probe(a, spoken)
  t.is(bench.word(a), 0)
})

test('where no probe can hear it, a client asks a silent endpoint after 10, 20, 40 s; where one can, none does', (t) => {
  const bench = new Bench(resolvedPool(three))
  bench.silence(a)
  const slot = bench.slot(a)
  const askedMs: number[] = []
  for (let ms = 0; ms < 90_000; ms += 100) {
    if (bench.tally.takeAsking(slot)) askedMs.push(ms)
    bench.clock.advance(100)
  }
  t.deepEqual(askedMs, [10_000, 30_000, 70_000])
  const probed = new Bench(resolvedPool(three, { health: web }))
  probed.silence(a)
  probed.clock.advance(60_000)
  t.false(probed.tally.takeAsking(probed.slot(a)))
})

test('a silence whose end a dead worker has not told is over', (t) => {
  const bench = new Bench(resolvedPool(three))
  bench.silence(a)
  bench.tally.hear(bench.slot(a))
  bench.clock.advance(10_000)
  t.deepEqual(bench.states(), ['unknown', 'unknown', 'unknown'])
})

test('an endpoint that left and comes back is heard, and no timer of its silence is left', (t) => {
  const bench = new Bench(resolvedPool(three))
  bench.silence(a)
  bench.update(resolvedPool(['10.0.0.6', '10.0.0.7']))
  bench.update(resolvedPool(three))
  t.is(bench.word(a), 0)
  bench.registry.stop()
  t.is(bench.clock.pending, 0)
})

test('a failed probe, a failed dial and every sign put an endpoint in doubt, and good probes settle it', (t) => {
  const doubted = (happens: (bench: Bench) => void): boolean => {
    const bench = new Bench(resolvedPool(three, { health: web }))
    bench.probe(a, spoken)
    t.false(bench.registry.inDoubt('web', a))
    happens(bench)
    return bench.registry.inDoubt('web', a)
  }
  t.true(doubted((bench) => bench.probe(a, bad)))
  t.true(doubted((bench) => bench.dial(a, 1)))
  t.true(doubted((bench) => bench.cutOff(a, 1)))
  t.true(doubted((bench) => bench.silence(a)))
  t.true(doubted((bench) => bench.registry.signs([{ kind: 'unanswered', slot: bench.slot(a) }])))
  t.false(doubted((bench) => bench.probe(a, bad, spoken)))
  t.false(
    doubted((bench) => bench.probe(a, bad, bad, bad)),
    'it is known to be down',
  )
  t.false(
    doubted((bench) => bench.probe(a, bad, bad, bad, spoken)),
    'it may be back, and may be gone again',
  )
  t.false(doubted((bench) => bench.dial(a, 1, { reason: 'local', code: 'EMFILE' })))
  t.false(
    doubted((bench) => {
      bench.cutOff(a, 1)
      bench.clock.advance(750)
    }),
    'three fast probes later',
  )
})

test('the prober hears of a doubt at once, but not of an endpoint that is out of use', (t) => {
  const bench = new Bench(resolvedPool(three))
  bench.dial(a, 1)
  bench.probe(b, bad)
  bench.dial(b, 1)
  t.deepEqual(bench.doubted, [a])
})

test('a suspicion is logged when it begins and when it ends, and is as old as the first look at it', (t) => {
  const bench = new Bench(resolvedPool(two))
  const first = () => bench.registry.status()[0]?.endpoints[0]
  bench.clock.advance(60_000)
  bench.tally.suspect(bench.slot(a))
  bench.registry.look()
  bench.registry.look()
  t.deepEqual(bench.log.take(), [
    `warn pool web: endpoint ${a} is suspect: a dial has no answer after 250ms or longer, so others are asked first`,
  ])
  bench.clock.advance(3_000)
  t.like(first(), { state: 'suspect', forMs: 3_000 })
  t.is(bench.registry.endpoints()[0]?.now?.state, 'suspect')
  bench.tally.trust(bench.slot(a))
  bench.registry.look()
  t.deepEqual(bench.log.take(), [
    `info pool web: endpoint ${a} is suspect no more: it has answered, after 3s`,
  ])
  t.like(first(), { state: 'unknown', forMs: 63_000 })
})

test('a suspect endpoint that probes call down is down, and one that comes back begins anew', (t) => {
  const bench = new Bench(resolvedPool(two))
  bench.tally.suspect(bench.slot(a))
  bench.registry.look()
  bench.probe(a, bad, bad, bad)
  bench.log.take()
  bench.registry.look()
  t.deepEqual(bench.log.take(), [])
  t.is(bench.registry.status()[0]?.endpoints[0]?.state, 'down')
})

/** So many endpoints of one pool. */
const crowd = (name: string, count: number, first = 0): ResolvedPool => {
  const ips = Array.from(
    { length: count },
    (_, i) => `10.${(first + i) >> 16}.${((first + i) >> 8) & 255}.${(first + i) & 255}`,
  )
  return resolvedPool(ips, { name })
}
const counts = (bench: Bench) =>
  bench.registry.status().map(({ name, endpoints }) => `${name} ${endpoints.length}`)

test('more endpoints than there is room for are one line a pool, however often they come', (t) => {
  const bench = new Bench(crowd('big', 5000), crowd('web', 3, 70_000))
  for (let i = 0; i < 50; i++) bench.update(crowd('big', 5000 + i), crowd('web', 3, 70_000))
  t.deepEqual(counts(bench), ['big 4093', 'web 3'])
  const lines = bench.log.take().filter((line) => line.includes('left out'))
  t.deepEqual(lines, [
    'error pool big: 907 of its 5000 endpoints are left out: there is room for 4096 in all pools, those that left and still have connections included; use fewer',
  ])
  bench.update(crowd('big', 100), crowd('web', 3, 70_000))
  t.is(bench.log.take().filter((line) => line.includes('has room') || line.includes('have room')).length, 1)
})

test('a large pool gives way to one that comes later, as soon as its endpoints are gone from all workers', (t) => {
  const bench = new Bench(crowd('big', 5000))
  t.deepEqual(counts(bench), ['big 4096'])
  const both = [crowd('big', 5000), crowd('late', 300, 70_000)]
  bench.room = () => bench.update(...both)
  bench.update(...both)
  t.deepEqual(counts(bench), ['big 3796', 'late 300'])
})

test('those who stay when a pool shrinks to its share are those who were there', (t) => {
  const bench = new Bench(crowd('big', 4096, 1000))
  const ids = () => new Set(bench.registry.status()[0]?.endpoints.map(({ endpoint }) => endpoint))
  const before = ids()
  bench.update(crowd('big', 5096)) // a thousand new ones that come first in order
  t.deepEqual(ids(), before)
})

test('who joined is named up to ten, and counted beyond', (t) => {
  const bench = new Bench(crowd('big', 1))
  bench.update(crowd('big', 2000))
  const [line = ''] = bench.log.take()
  t.regex(line, /^info pool big: 10\.0\.0\.100:9443, .* and 1989 more joined; /)
  t.true(line.length < 400)
})
