import test from 'ava'
import { Turns } from '../../src/core/balance/round-robin.ts'
import type { Outcome } from '../../src/core/outcome.ts'
import { PairRows } from '../../src/core/pair-rows.ts'
import { PerSourceTable } from '../../src/core/per-source.ts'
import type { PoolSnapshot } from '../../src/core/snapshot.ts'
import { healthBit, Tally } from '../../src/core/tally.ts'
import type { Dialed, Plane, Wire } from '../../src/plane/plane.ts'
import { type DialOwner, PoolDial, type PoolDialed } from '../../src/session/dial.ts'
import { createLiveSessions } from '../../src/session/live.ts'
import { Lobby } from '../../src/session/lobby.ts'
import { poolStates, wake } from '../../src/session/pool-state.ts'
import { Refusals } from '../../src/session/refusals.ts'
import { Trials } from '../../src/session/trials.ts'
import { Waiting } from '../../src/session/waiting.ts'
import { FakeClock } from '../control/fixture.ts'
import { endpoint, pool as poolOf } from '../core/balance-fixture.ts'
import { noRelay } from '../helpers/no-relay.ts'

class FakeWire implements Wire {
  readonly remote = { family: 4, bytes: new Uint8Array(4), port: 0 } as const
  readonly local = this.remote
  dropped: 'fin' | 'rst' | null = null

  peek = () => () => {}
  discard() {}
  onReset = () => () => {}
  untouched = () => true
  close() {
    this.dropped = 'fin'
  }
  reset() {
    this.dropped = 'rst'
  }
}

interface FakeDial {
  readonly atMs: number
  /** `10.0.0.SLOT`, `unix:@SLOT` */
  readonly slot: number
  cancelled: boolean
  readonly done: (dialed: Dialed<FakeWire>) => void
}

/** A pool with `count` endpoints, and a worker whose time and network are the test's. */
function scene(count: number, changes: Partial<PoolSnapshot> = {}) {
  const clock = new FakeClock()
  const tally = new Tally(1)
  const dials: FakeDial[] = []
  const plane: Plane<FakeWire> = {
    listen: () => ({ close() {}, pause() {}, resume() {} }),
    asksForRoom: false,
    relay: () => noRelay(),
    adopt: null,
    dial(address, _options, done) {
      const slot = address.family === 'unix' ? Number(address.path.slice(1)) : (address.bytes.at(-1) ?? -1)
      const dial = { atMs: clock.nowMs(), slot, cancelled: false, done }
      dials.push(dial)
      return () => {
        dial.cancelled = true
      }
    },
    after: clock.after,
    now: clock.nowMs,
    wakeDescriptor: null,
    close() {},
  }
  const context = {
    plane,
    tally,
    row: tally.row(1),
    reports: { attempt() {}, outcome() {}, connected() {}, flush() {} },
    live: createLiveSessions(clock.after, clock.nowMs),
    trials: new Trials<FakeWire>(),
    warm: { take: () => null },
    turns: new Turns(),
    random: () => 0,
    nextNumber: () => 1,
    idOf: String,
    nextSource: () => 0,
    sources: new PerSourceTable(1, 1, 1),
    pairs: { rows: new PairRows(1, 8), owner: 1 },
    sharedMs: clock.nowMs,
    lobby: new Lobby(tally, tally.row(1)),
    refusals: new Refusals(tally.row(1), clock.nowMs, () => {}),
    signs() {},
    waiting: new Waiting({ tally, row: tally.row(1), after: clock.after, nowMs: clock.nowMs, sign() {} }),
  }
  const endpoints = Array.from({ length: count }, (_, slot) => endpoint(slot, { priority: slot }))
  const pool = { ...poolOf('round-robin', endpoints), ...changes }
  const stateOf = poolStates(clock.after, 1, () => {})
  const state = stateOf(pool)
  const timeouts = {
    idleMs: 1,
    halfCloseMs: 1,
    stallMs: 1,
    unackedMs: 1,
    sessionMs: 0,
    keepalive: { idleMs: 1, intervalMs: 1, count: 1 },
  }
  const listener = {
    name: 'main',
    address: '127.0.0.1:1',
    slot: 0,
    pool: pool.name,
    routes: null,
    maxConnections: null,
    admission: null,
    perSecond: null,
    refuse: 'reset',
    headerMs: 0,
    prefaceMs: 0,
    timeouts,
  } as const
  const snapshot = {
    version: 1,
    listeners: [listener],
    pools: [pool],
    maxConnections: 1,
    access: 'all',
    logConnect: false,
    logEmpty: true,
  } as const
  const attempts: Outcome['attempts'][number][] = []
  const results: (PoolDialed<FakeWire> & { readonly queued?: boolean })[] = []
  const begin = () => {
    let queued = false
    const owner: DialOwner<FakeWire> = {
      client: new FakeWire().remote,
      attempted: ({ id }, ms, error) => void attempts.push({ endpoint: id, ms, error }),
      dialed(result) {
        if (result.kind === 'full') queued = true
        else results.push(result.kind === 'exhausted' ? { ...result, queued } : result)
      },
    }
    const dial = new PoolDial(context, { snapshot, listener, pool, state }, owner)
    dial.begin()
    return dial
  }
  return { clock, tally, dials, attempts, results, state, stateOf, pool, begin }
}

function refuse(dial: FakeDial | undefined): void {
  dial?.done({ kind: 'failed', code: 'ECONNREFUSED' })
}

test('with no endpoint left, the pool is dialed again after 100, 200, 400, 800, 1000 and 1000 ms', (t) => {
  const { clock, dials, pool, begin } = scene(1, {
    connect: { ...poolOf('p2c', []).connect, budgetMs: 60_000 },
  })
  t.is(pool.endpoints.length, 1)
  begin()
  const pauses: number[] = []
  for (let round = 1; round <= 6; round++) {
    const refusedMs = clock.nowMs()
    refuse(dials.at(-1))
    while (dials.length === round) clock.advance(1)
    pauses.push(clock.nowMs() - refusedMs)
  }
  t.deepEqual(pauses, [100, 200, 400, 800, 1000, 1000])
})

test('who pauses dials at once when an endpoint is up again, and pauses no shorter for it', (t) => {
  const { clock, dials, state, begin } = scene(1)
  begin()
  refuse(dials[0])
  clock.advance(10)
  wake(state)
  t.deepEqual(
    dials.map(({ atMs }) => atMs),
    [0, 10],
  )
  t.is(state.pausing.size, 0)
  refuse(dials[1])
  clock.advance(199)
  t.is(dials.length, 2)
  clock.advance(1)
  t.is(dials.length, 3)
})

test('who waits for an empty pool dials when the pool has endpoints', (t) => {
  const { dials, stateOf, pool, begin } = scene(0)
  begin()
  t.is(dials.length, 0)
  stateOf({ ...pool, endpoints: [endpoint(0)] })
  t.is(dials.length, 1)
})

test('who has gone is not woken', (t) => {
  const { clock, dials, state, begin } = scene(1)
  const [first, second] = [begin(), begin()]
  refuse(dials[0])
  refuse(dials[1])
  first.cancel()
  wake(state)
  t.is(dials.length, 3)
  second.cancel()
  wake(state)
  t.is(dials.length, 3)
  t.is(clock.pending, 0)
})

test('dials under way that are cancelled are in the log with what they took so far', (t) => {
  const { clock, dials, attempts, begin, tally } = scene(2)
  const dialing = begin()
  clock.advance(250)
  t.is(dials.length, 2, 'another one beside it')
  clock.advance(50)
  dialing.cancel()
  t.deepEqual(attempts, [
    { endpoint: '10.0.0.0:80', ms: 300, error: 'aborted' },
    { endpoint: '10.0.0.1:80', ms: 50, error: 'aborted' },
  ])
  t.deepEqual(
    dials.map(({ cancelled }) => cancelled),
    [true, true],
  )
  t.is(tally.load(0) + tally.load(1), 0)
  t.is(clock.pending, 0)
})

test('a dial that connects to an endpoint whose connections are let go meanwhile is given up for the next one', (t) => {
  const { dials, attempts, results, begin, tally } = scene(2)
  begin()
  tally.setHealth(0, healthBit.draining | healthBit.released)
  const wire = new FakeWire()
  dials[0]?.done({ kind: 'connected', wire })
  t.is(wire.dropped, 'fin')
  t.deepEqual(
    dials.map(({ slot }) => slot),
    [0, 1],
  )
  const next = new FakeWire()
  dials[1]?.done({ kind: 'connected', wire: next })
  t.like(results, { length: 1, 0: { kind: 'connected', wire: next } })
  t.deepEqual(
    attempts.map(({ endpoint, error }) => [endpoint, error]),
    [
      ['10.0.0.0:80', 'withdrawn'],
      ['10.0.0.1:80', null],
    ],
  )
  t.is(tally.load(0), 0)
})

test('a dial that is beside one that is given up goes on', (t) => {
  const { clock, dials, results, begin, tally } = scene(2)
  begin()
  clock.advance(250)
  tally.setHealth(0, healthBit.down | healthBit.released)
  dials[0]?.done({ kind: 'connected', wire: new FakeWire() })
  t.is(results.length, 0)
  t.false(dials[1]?.cancelled)
  const wire = new FakeWire()
  dials[1]?.done({ kind: 'connected', wire })
  t.like(results, { length: 1, 0: { kind: 'connected', wire } })
})

test('with panic: off clients wait while probes call all endpoints down, and for no longer than the budget', (t) => {
  const { clock, dials, results, begin, tally } = scene(2, { panic: false })
  tally.setHealth(0, healthBit.down)
  tally.setHealth(1, healthBit.down)
  begin()
  clock.advance(9_900)
  t.deepEqual([dials.length, results.length], [0, 0])
  clock.advance(200)
  t.deepEqual(results, [{ kind: 'exhausted', cause: 'endpoint-down', queued: false }])
  t.is(clock.pending, 0)
})
