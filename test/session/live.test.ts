import test from 'ava'
import { createLiveSessions, type LiveSession } from '../../src/session/live.ts'
import { FakeClock } from '../control/fixture.ts'
import { noRelay } from '../helpers/no-relay.ts'

interface Ending {
  readonly slot: number
  readonly how: 'finish' | 'kill'
  readonly cause: string
}

/** Nobody asks about these. */
const unasked = {
  number: 0,
  foreignId: null,
  view(): never {
    throw new Error('unreachable')
  },
  story(): never {
    throw new Error('unreachable')
  },
}

function scene() {
  const clock = new FakeClock()
  const live = createLiveSessions(clock.after, clock.nowMs)
  const finishedAt: number[] = []
  const endings: Ending[] = []
  const open = (slot = 0, idleSinceMs: number | null = 0): LiveSession => {
    const relay = noRelay((nowMs) => (idleSinceMs === null ? 0 : nowMs - idleSinceMs))
    const session: LiveSession = {
      ...unasked,
      seat: -1,
      relay,
      slot,
      kill(cause) {
        endings.push({ slot: session.slot, how: 'kill', cause })
        live.remove(session)
      },
      detach: () => null,
      drop() {},
      finish(cause) {
        endings.push({ slot: session.slot, how: 'finish', cause })
        finishedAt.push(clock.nowMs())
        live.remove(session)
      },
    }
    live.add(session)
    return session
  }
  /** One that connects to `slot` when it is told to. */
  const dialing = () => {
    const relay = noRelay(() => 10_000)
    const session: { -readonly [Field in keyof LiveSession]: LiveSession[Field] } = {
      ...unasked,
      seat: -1,
      slot: -1,
      relay: null,
      kill() {},
      detach: () => null,
      drop() {},
      finish(cause) {
        endings.push({ slot: session.slot, how: 'finish', cause })
        live.remove(session)
      },
    }
    live.add(session)
    return (slot: number): void => {
      session.slot = slot
      session.relay = relay
    }
  }
  return { clock, live, open, dialing, finishedAt, endings }
}

test('silent connections end spread evenly over the window', (t) => {
  const { clock, live, open, finishedAt } = scene()
  for (let i = 0; i < 100; i++) open()
  clock.advance(10_000)
  live.retire(null, 10_000, 1_000, 'admin')
  clock.advance(10_000)
  t.is(finishedAt.length, 100)
  for (let quarter = 0; quarter < 4; quarter++) {
    const begin = 10_000 + quarter * 2_500
    const count = finishedAt.filter((atMs) => atMs >= begin && atMs < begin + 2_500).length
    t.true(count >= 20 && count <= 30, `${count} ended in quarter ${quarter}`)
  }
})

test('connections that are not silent are left alone', (t) => {
  const { clock, live, open, finishedAt } = scene()
  open(0, null)
  open(0, 0)
  clock.advance(5_000)
  live.retire(null, 1_000, 1_000, 'admin')
  clock.advance(2_000)
  t.is(finishedAt.length, 1)
  t.is(live.size, 1)
  t.is(clock.pending, 0)
})

test('only connections of the named endpoints retire', (t) => {
  const { clock, live, open, finishedAt } = scene()
  open(1)
  open(2)
  open(3)
  live.retire([1, 3], 100, 0, 'admin')
  clock.advance(200)
  t.is(finishedAt.length, 2)
  t.is(live.size, 1)
})

test('connections that end by themselves leave no gap in the spread', (t) => {
  const { clock, live, open, finishedAt } = scene()
  const own = Array.from({ length: 50 }, () => open())
  for (let i = 0; i < 50; i++) open()
  clock.advance(1_000)
  live.retire(null, 1_000, 0, 'admin')
  for (const session of own) live.remove(session)
  clock.advance(1_000)
  t.is(finishedAt.length, 50)
})

test('a retirement ends with the last connection, and leaves no timer behind', (t) => {
  const { clock, live, open } = scene()
  for (let i = 0; i < 20; i++) open()
  live.retire(null, 20_000, 5_000, 'admin')
  live.kill(null, 'admin')
  clock.advance(50)
  t.is(clock.pending, 0)
})

test('connections of an endpoint whose retirement is called off stay, the others go on to end', (t) => {
  const { clock, live, open, endings } = scene()
  for (const slot of [1, 1, 1, 1, 2, 2, 2, 2]) open(slot)
  live.retire([1, 2], 1_000, 0, 'endpoint-down')
  clock.advance(300)
  const before = endings.filter(({ slot }) => slot === 1).length
  live.keep([1])
  clock.advance(5_000)
  t.is(endings.filter(({ slot }) => slot === 1).length, before)
  t.is(endings.filter(({ slot }) => slot === 2).length, 4)
  t.true(endings.every(({ how, cause }) => how === 'finish' && cause === 'endpoint-down'))
  t.is(clock.pending, 0)
})

test('calling off the retirement of an endpoint leaves that of the whole program as it is', (t) => {
  const { clock, live, open } = scene()
  open(1)
  clock.advance(1_000)
  live.retire(null, 1_000, 500, 'admin')
  live.keep([1])
  clock.advance(1_000)
  t.is(live.size, 0)
})

test('a new retirement of an endpoint takes the place of the one under way', (t) => {
  const { clock, live, open, finishedAt } = scene()
  for (let i = 0; i < 10; i++) open(1)
  live.retire([1], 1_000, 0, 'endpoint-down')
  live.keep([1])
  const ended = finishedAt.length
  live.retire([1], 10_000, 0, 'endpoint-down')
  clock.advance(1_000)
  t.true(finishedAt.length <= ended + 2, `${finishedAt.length} ended in a tenth of the window`)
  clock.advance(9_000)
  t.is(finishedAt.length, 10)
})

test('a connection that was being dialed takes part when it connects to one of the endpoints, and only then', (t) => {
  const { clock, live, dialing, endings } = scene()
  const [late, other, never] = [dialing(), dialing(), dialing()]
  t.is(live.size, 3)
  live.retire([1], 1_000, 0, 'admin')
  clock.advance(500)
  late(1)
  other(2)
  clock.advance(500)
  t.deepEqual(endings, [{ slot: 1, how: 'finish', cause: 'admin' }])
  never(1)
  clock.advance(500)
  t.is(endings.length, 1)
  t.is(clock.pending, 0)
})

test('connections of endpoints are killed without a word to the others', (t) => {
  const { live, open, dialing, endings } = scene()
  open(1)
  open(2)
  dialing()
  live.kill([1], 'endpoint-down')
  t.deepEqual(endings, [{ slot: 1, how: 'kill', cause: 'endpoint-down' }])
})

test('those who come within the window of a drain are retired too, when they fall silent', (t) => {
  const { clock, live, open, finishedAt } = scene()
  clock.advance(5_000)
  live.retire(null, 1_000, 100, 'admin')
  clock.advance(300)
  for (let i = 0; i < 10; i++) open(0, clock.nowMs())
  clock.advance(1_000)
  t.is(finishedAt.length, 10)
  t.true(
    finishedAt.every((atMs) => atMs >= 5_400 && atMs <= 6_050),
    finishedAt.join(),
  )
  t.is(clock.pending, 0)
})

test('who comes after the window, or while only some endpoints retire, is left alone', (t) => {
  const { clock, live, open, finishedAt } = scene()
  live.retire([1], 1_000, 0, 'admin')
  open(0)
  clock.advance(2_000)
  live.retire(null, 1_000, 0, 'admin')
  clock.advance(2_000)
  open(0)
  clock.advance(2_000)
  t.is(finishedAt.length, 1)
  t.is(clock.pending, 0)
})
