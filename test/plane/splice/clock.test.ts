import test from 'ava'
import fc from 'fast-check'
import { Clock } from '../../../src/plane/splice/clock.ts'

/** A clock whose time the test sets. */
function at(startMs: number) {
  const time = { nowMs: startMs }
  const clock = new Clock(() => time.nowMs)
  const moveTo = (nowMs: number) => {
    time.nowMs = nowMs
    clock.read()
    clock.fire()
  }
  return { clock, moveTo, time }
}

/** Late by no more than a tick of 4 ms. */
const tickMs = 4

test('a timer fires once, not early, and at most a tick late', (t) => {
  for (const ms of [0, 1, 3.5, 4, 20, 1_023, 1_024, 1_025, 3_000, 60_000]) {
    const { clock, moveTo } = at(1_000.25)
    const fired: number[] = []
    clock.after(ms, () => fired.push(clock.nowMs))
    for (let nowMs = 1_000.25; nowMs < 1_000.25 + ms + 2_500; nowMs += 0.5) moveTo(nowMs)
    t.is(fired.length, 1, `${ms} ms`)
    const lateMs = (fired[0] ?? 0) - (1_000.25 + ms)
    t.true(lateMs >= 0 && lateMs <= 2 * tickMs, `${ms} ms: ${lateMs} late`)
  }
})

test('a thread that slept for minutes fires everything that is due, once', (t) => {
  const { clock, moveTo } = at(0)
  const fired: number[] = []
  for (const ms of [5, 900, 1_020, 1_030, 2_500, 59_000, 61_000]) clock.after(ms, () => fired.push(ms))
  moveTo(60_000)
  t.deepEqual(
    fired.toSorted((a, b) => a - b),
    [5, 900, 1_020, 1_030, 2_500, 59_000],
  )
  moveTo(61_004)
  t.is(fired.length, 7)
})

test('the wait never goes past the next timer, whatever was cancelled', (t) => {
  const { clock, moveTo } = at(0)
  t.is(clock.waitMs(1_000), 1_000)
  const cancel = clock.after(10, () => t.fail('cancelled'))
  clock.after(500, () => {})
  t.true(clock.waitMs(1_000) <= 16)
  cancel()
  moveTo(100)
  t.true(clock.waitMs(1_000) <= 404)
  t.true(clock.waitMs(1_000) > 300, 'a cancelled timer costs one early wake-up, not more')
})

test('a timer that is set while others fire is not lost and does not fire in the same breath', (t) => {
  const { clock, moveTo } = at(0)
  let runs = 0
  const again = () => {
    runs++
    clock.after(0, again)
  }
  clock.after(0, again)
  for (let nowMs = 1; nowMs <= 400; nowMs++) moveTo(nowMs)
  t.true(runs >= 95 && runs <= 101, `${runs}`)
  t.true(clock.waitMs(1_000) <= tickMs)
})

test('cancelling late or twice does nothing', (t) => {
  const { clock, moveTo } = at(0)
  let fired = 0
  const first = clock.after(8, () => fired++)
  moveTo(20)
  clock.after(8, () => fired++)
  first()
  first()
  moveTo(40)
  t.is(fired, 2)
})

test('whatever is set, cancelled and slept through, each timer fires once or was cancelled', (t) => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('set' as const), ms: fc.double({ min: 0, max: 3_000, noNaN: true }) }),
    fc.record({ kind: fc.constant('cancel' as const), which: fc.nat(50) }),
    fc.record({ kind: fc.constant('sleep' as const), ms: fc.double({ min: 0, max: 2_600, noNaN: true }) }),
    // From inside a timer: what fires cancels another one, and sets one.
    fc.record({ kind: fc.constant('chain' as const), ms: fc.nat(1_500), which: fc.nat(50) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { clock, moveTo, time } = at(7)
      const timers: { dueMs: number; fired: number; cancelled: boolean; cancel: () => void }[] = []
      const set = (ms: number, then: () => void = () => {}) => {
        const timer = { dueMs: time.nowMs + ms, fired: 0, cancelled: false, cancel: () => {} }
        const stop = clock.after(ms, () => {
          if (time.nowMs < timer.dueMs) throw new Error(`early: ${time.nowMs} < ${timer.dueMs}`)
          timer.fired++
          then()
        })
        timer.cancel = () => {
          if (timer.fired === 0) timer.cancelled = true
          stop()
        }
        timers.push(timer)
      }
      for (const each of steps) {
        if (each.kind === 'set') set(each.ms)
        else if (each.kind === 'cancel') timers[each.which]?.cancel()
        else if (each.kind === 'chain')
          set(each.ms, () => {
            timers[each.which]?.cancel()
            set(each.ms)
          })
        else {
          moveTo(time.nowMs + each.ms)
          const late = timers.find(
            ({ dueMs, fired, cancelled }) => fired === 0 && !cancelled && dueMs + 2 * tickMs <= time.nowMs,
          )
          // A timer that a firing timer has set may be due at once; it has its turn in the next batch.
          if (late !== undefined && clock.waitMs(1_000) > 0) throw new Error(`late: due ${late.dueMs}`)
        }
      }
      for (let i = 0; i < 4; i++) moveTo(time.nowMs + 3_100)
      for (const { fired, cancelled } of timers) {
        if (fired !== (cancelled ? 0 : 1)) throw new Error(`fired ${fired} times, cancelled: ${cancelled}`)
      }
      if (clock.waitMs(1_000) !== 1_000) throw new Error('something is left')
    }),
    { numRuns: 300 },
  )
  t.pass()
})
