import test from 'ava'
import { Rest } from '../../src/discovery/rest.ts'
import { FakeClock } from '../control/fixture.ts'

/** Work that takes `tookMs` of the test's time. */
function bench(tookMs: number) {
  const clock = new FakeClock()
  let lead = 0
  let done = 0
  const nowMs = (): number => clock.nowMs() + lead
  const rest = new Rest(
    () => {
      done++
      lead += tookMs
    },
    { after: clock.after, nowMs },
  )
  return { clock, rest, done: () => done }
}

test('the first request is done at once, and a burst is one more piece of work after a rest', (t) => {
  const { clock, rest, done } = bench(10)
  for (let i = 0; i < 620; i++) rest.ask()
  t.is(done(), 1)
  clock.advance(89)
  t.is(done(), 1)
  clock.advance(1)
  t.is(done(), 2)
  clock.advance(1000)
  t.is(done(), 2)
  t.is(clock.pending, 0)
})

test('work takes a tenth of the time at most', (t) => {
  const { clock, rest, done } = bench(5)
  for (let ms = 0; ms < 1000; ms++) {
    rest.ask()
    clock.advance(1)
  }
  t.true(done() * 5 <= 130, `${done()}`)
  t.true(done() >= 10)
})

test('it never rests for longer than a second', (t) => {
  const { clock, rest, done } = bench(5000)
  rest.ask()
  rest.ask()
  clock.advance(1000)
  t.is(done(), 2)
  rest.stop()
})

test('what costs nothing never rests', (t) => {
  const { rest, done, clock } = bench(0)
  for (let i = 0; i < 10; i++) rest.ask()
  t.is(done(), 10)
  t.is(clock.pending, 0)
})

test('a stop forgets what was asked for', (t) => {
  const { clock, rest, done } = bench(10)
  rest.ask()
  rest.ask()
  rest.stop()
  clock.advance(1000)
  t.is(done(), 1)
  t.is(clock.pending, 0)
})
