import test from 'ava'
import { createLiveSessions, type LiveSession } from '../../src/session/live.ts'
import { FakeClock } from '../control/fixture.ts'

function scene() {
  const clock = new FakeClock()
  const live = createLiveSessions(clock.after, clock.nowMs)
  const finishedAt: number[] = []
  const open = (slot = 0, idleSinceMs: number | null = 0): LiveSession => {
    const relay = {
      idleMs: (nowMs: number) => (idleSinceMs === null ? 0 : nowMs - idleSinceMs),
      finish() {},
      kill() {},
    }
    const session: LiveSession = {
      seat: -1,
      relay,
      slot,
      kill: () => live.remove(session),
      drop() {},
      finish() {
        finishedAt.push(clock.nowMs())
        live.remove(session)
      },
    }
    live.add(session)
    return session
  }
  return { clock, live, open, finishedAt }
}

test('silent connections end spread evenly over the window', (t) => {
  const { clock, live, open, finishedAt } = scene()
  for (let i = 0; i < 100; i++) open()
  clock.advance(10_000)
  live.retire(null, 10_000, 1_000)
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
  live.retire(null, 1_000, 1_000)
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
  live.retire([1, 3], 100, 0)
  clock.advance(200)
  t.is(finishedAt.length, 2)
  t.is(live.size, 1)
})

test('connections that end by themselves leave no gap in the spread', (t) => {
  const { clock, live, open, finishedAt } = scene()
  const own = Array.from({ length: 50 }, () => open())
  for (let i = 0; i < 50; i++) open()
  clock.advance(1_000)
  live.retire(null, 1_000, 0)
  for (const session of own) live.remove(session)
  clock.advance(1_000)
  t.is(finishedAt.length, 50)
})

test('a retirement ends with the last connection, and leaves no timer behind', (t) => {
  const { clock, live, open } = scene()
  for (let i = 0; i < 20; i++) open()
  live.retire(null, 20_000, 5_000)
  live.killAll()
  clock.advance(50)
  t.is(clock.pending, 0)
})

test('those who come within the window of a drain are retired too, when they fall silent', (t) => {
  const { clock, live, open, finishedAt } = scene()
  clock.advance(5_000)
  live.retire(null, 1_000, 100)
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
  live.retire([1], 1_000, 0)
  open(0)
  clock.advance(2_000)
  live.retire(null, 1_000, 0)
  clock.advance(2_000)
  open(0)
  clock.advance(2_000)
  t.is(finishedAt.length, 1)
  t.is(clock.pending, 0)
})
