import test from 'ava'
import { endpointCell, endpointField, healthBit, staleCell, Tally } from '../../src/core/tally.ts'
import type { Dialed, Plane, Wire } from '../../src/plane/plane.ts'
import { Shelf } from '../../src/session/shelf.ts'
import { wasLost } from '../../src/session/warm.ts'
import { FakeClock } from '../control/fixture.ts'
import { endpoint, pool } from '../core/balance-fixture.ts'
import { noRelay } from '../helpers/no-relay.ts'

/** A wire that does what the test says, and remembers how it was let go. */
class FakeWire implements Wire {
  readonly remote = { family: 4, bytes: new Uint8Array(4), port: 0 } as const
  readonly local = this.remote
  dropped: 'fin' | 'rst' | null = null
  isUntouched = true
  speak: (bytes: Uint8Array, ended: boolean) => void = () => {}
  watched = false

  peek(_: number, done: (bytes: Uint8Array, ended: boolean) => void) {
    this.speak = done
    this.watched = true
    return () => {
      this.watched = false
    }
  }
  discard() {}
  onReset() {
    return () => {}
  }
  untouched() {
    return this.isUntouched
  }
  close() {
    this.dropped = 'fin'
  }
  reset() {
    this.dropped = 'rst'
  }
}

function scene(share: number, maxConnections: number | null = null) {
  const clock = new FakeClock()
  const tally = new Tally(1)
  const dials: { done: (dialed: Dialed<FakeWire>) => void; cancelled: boolean }[] = []
  const errors: (string | null)[] = []
  const spoken: number[] = []
  const plane: Plane<FakeWire> = {
    listen: () => ({ close() {}, pause() {}, resume() {} }),
    relay: () => noRelay(),
    adopt: null,
    dial(_endpoint, _options, done) {
      const dial = { done, cancelled: false }
      dials.push(dial)
      return () => {
        dial.cancelled = true
      }
    },
    after: clock.after,
    now: clock.nowMs,
    asksForRoom: true,
    wakeDescriptor: null,
    close() {},
  }
  const reports = {
    attempt: ({ error }: { error: { code: string } | null }) => void errors.push(error?.code ?? null),
    outcome() {},
    connected() {},
    flush() {},
  }
  const context = {
    plane,
    tally,
    row: tally.row(1),
    reports,
    nextSource: () => 0,
    random: () => 0,
    spoke: (slot: number) => void spoken.push(slot),
  }
  const warm = { connections: share, maxAgeMs: 1_000 }
  const shelf = new Shelf(context, pool('p2c', []), endpoint(7, { maxConnections }), warm, share)
  /** Answers every dial that was not answered yet. */
  const connect = () =>
    dials.splice(0).map(({ done }) => {
      const wire = new FakeWire()
      done({ kind: 'connected', wire })
      return wire
    })
  const cell = (field: keyof typeof endpointField) => tally.sum(endpointCell(7) + endpointField[field])
  return { clock, tally, shelf, dials, errors, spoken, connect, cell }
}

test('a shelf is filled once, gives the latest first, and watches nothing that it gave away', (t) => {
  const { shelf, connect, dials, cell } = scene(3)
  shelf.look()
  const wires = connect()
  shelf.look()
  t.is(dials.length, 0)
  t.is(cell('warm'), 3)
  const taken = shelf.take()
  t.is(taken, wires[2] ?? null)
  t.false(wires[2]?.watched)
  t.deepEqual([cell('warm'), cell('warmHit'), cell('attempts')], [2, 1, 3])
})

test('refilling is limited: its share at once, then 250 a second', (t) => {
  const { clock, shelf, dials, connect } = scene(2)
  shelf.look()
  connect()
  let dialed = 0
  for (let ms = 0; ms < 1_000; ms++) {
    clock.advance(1)
    while (shelf.take() !== null);
    shelf.look()
    dialed += dials.length
    connect()
  }
  t.true(Math.abs(dialed - 250) <= 3, `${dialed} dials in a second`)
})

test('one that is too old is closed and never given away, with or without a look', (t) => {
  const { clock, shelf, connect, cell } = scene(2)
  shelf.look()
  const wires = connect()
  clock.advance(1_000)
  t.is(shelf.take(), null)
  t.deepEqual(
    wires.map(({ dropped }) => dropped),
    ['fin', 'fin'],
  )
  t.deepEqual([cell('warmMiss'), cell('warm')], [1, 0])
})

test('one that the endpoint has ended without our being told is found when taken, and the next one is given', (t) => {
  const { tally, shelf, connect } = scene(2)
  shelf.look()
  const [first, last] = connect()
  if (last === undefined) return t.fail()
  last.isUntouched = false
  t.is(shelf.take(), first ?? null)
  t.is(last.dropped, 'rst')
  t.is(tally.sum(staleCell(7, 'taken')), 1)
})

test('bytes alone are a greeting: everything is closed and it is told; bytes with the end are not', (t) => {
  const { shelf, connect, spoken, cell, tally } = scene(3)
  shelf.look()
  const [first, second, third] = connect()
  first?.speak(Buffer.from('HTTP/1.1 408 Request Timeout'), true)
  t.deepEqual(spoken, [])
  second?.speak(Buffer.from('220 hello'), false)
  t.deepEqual(spoken, [7])
  t.is(third?.dropped, 'fin')
  t.is(cell('warm'), 0)
  t.is(tally.sum(staleCell(7, 'waiting')), 2)
})

test('after a failed dial nothing is dialed for a second, and the failure is reported', (t) => {
  const { clock, shelf, dials, errors } = scene(1)
  shelf.look()
  dials.splice(0)[0]?.done({ kind: 'failed', code: 'ECONNREFUSED' })
  t.deepEqual(errors, ['ECONNREFUSED'])
  clock.advance(999)
  shelf.look()
  t.is(dials.length, 0)
  clock.advance(1)
  shelf.look()
  t.is(dials.length, 1)
})

test('an endpoint that does not answer is given up after connect.timeout', (t) => {
  const { clock, shelf, dials, errors } = scene(1)
  shelf.look()
  clock.advance(3_000)
  t.true(dials[0]?.cancelled)
  t.deepEqual(errors, ['ETIMEDOUT'])
})

for (const [name, bit] of Object.entries(healthBit)) {
  test(`an endpoint that is ${name} holds nothing, gives nothing, and is not dialed`, (t) => {
    const { tally, shelf, connect, dials, cell } = scene(2)
    shelf.look()
    const wires = connect()
    tally.setHealth(7, bit)
    t.is(shelf.take(), null)
    shelf.look()
    t.deepEqual(
      wires.map(({ dropped }) => dropped),
      ['fin', 'fin'],
    )
    t.deepEqual([dials.length, cell('warm')], [0, 0])
  })
}

test('a release while dials are under way cancels them, and no timer is left', (t) => {
  const { clock, shelf, dials } = scene(2)
  shelf.look()
  shelf.release()
  t.deepEqual(
    dials.map(({ cancelled }) => cancelled),
    [true, true],
  )
  t.is(clock.pending, 0)
})

test('what maxConnections leaves is what waits', (t) => {
  const { tally, shelf, dials } = scene(8, 5)
  tally.row(1)[endpointCell(7) + endpointField.active] = 3
  shelf.look()
  t.is(dials.length, 2)
})

const end = { kind: 'reset', side: 'upstream', halfClosed: false, code: null } as const
const ends: readonly [string, boolean, Parameters<typeof wasLost>[0]][] = [
  [
    'a reset before any answer',
    true,
    { ...end, bytesUp: 9, bytesDown: 0, closed: { first: 'server', how: 'rst' } },
  ],
  [
    'a reset before the client spoke',
    true,
    { ...end, bytesUp: 0, bytesDown: 0, closed: { first: 'server', how: 'rst' } },
  ],
  [
    'an end before any answer',
    true,
    { ...end, bytesUp: 9, bytesDown: 0, closed: { first: 'server', how: 'fin' } },
  ],
  [
    'a client that said nothing until the gateway hung up',
    false,
    { ...end, bytesUp: 0, bytesDown: 0, closed: { first: 'server', how: 'fin' } },
  ],
  ['an answer', false, { ...end, bytesUp: 9, bytesDown: 1, closed: { first: 'server', how: 'rst' } }],
  [
    'a client that hung up',
    false,
    { ...end, bytesUp: 9, bytesDown: 0, closed: { first: 'client', how: 'fin' } },
  ],
]
for (const [what, lost, relayEnd] of ends) {
  test(`${what} is ${lost ? '' : 'not '}a lost client`, (t) => {
    t.is(wasLost(relayEnd), lost)
  })
}
