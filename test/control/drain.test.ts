import test from 'ava'
import { drain } from '../../src/control/drain.ts'
import { FakeClock, RecordedLog } from './fixture.ts'

const config = { notReadyDelayMs: 10_000, windowMs: 10_000, deadlineMs: 25_000, idleAfterMs: 1_000 }

/** `relieved`: somebody else serves new connections. */
function scene(connections: number, { stopped = Promise.resolve(), relieved = true } = {}) {
  const clock = new FakeClock()
  const log = new RecordedLog()
  const calls: string[] = []
  const state = { active: connections, done: false, relieved }
  const call = (name: string) => calls.push(`${clock.nowMs()} ${name}`)
  void drain({
    config,
    log,
    after: clock.after,
    nowMs: clock.nowMs,
    active: () => state.active,
    relieved: () => state.relieved,
    stopAccepting() {
      call('stop accepting')
      return stopped
    },
    retire: (windowMs, idleAfterMs) => call(`retire ${windowMs} ${idleAfterMs}`),
    kill: () => call('kill'),
  }).then(() => {
    state.done = true
  })
  return { clock, log, calls, state }
}

/** Lets what was promised happen. */
const settle = () => new Promise((resolve) => setImmediate(resolve))

test('accepting goes on for notReadyDelay, the window is the last part before the deadline, then the rest is reset', async (t) => {
  const { clock, calls, state, log } = scene(3)
  clock.advance(9_999)
  t.deepEqual(calls, [])
  clock.advance(15_000)
  t.deepEqual(calls, ['10000 stop accepting', '15000 retire 10000 1000'])
  clock.advance(1)
  t.deepEqual(calls.slice(2), ['25000 kill'])
  t.regex(log.take().join('\n'), /deadline is reached, 3 connections left to be reset/)
  state.active = 0
  clock.advance(50)
  await settle()
  t.true(state.done)
})

test('it ends as soon as nothing is left, and leaves no timer behind', async (t) => {
  const { clock, calls, state } = scene(1)
  clock.advance(12_000)
  await settle()
  state.active = 0
  clock.advance(50)
  await settle()
  t.true(state.done)
  t.is(clock.pending, 0)
  t.deepEqual(calls, ['10000 stop accepting'])
})

test('with nothing left it still accepts until notReadyDelay is over', async (t) => {
  const { clock, calls, state } = scene(0)
  clock.advance(9_999)
  await settle()
  t.false(state.done)
  clock.advance(1)
  await settle()
  t.true(state.done)
  t.deepEqual(calls, ['10000 stop accepting'])
})

test('connections that do not end even after the reset do not hold it up for ever', async (t) => {
  const { clock, state } = scene(1)
  clock.advance(10_000)
  await settle()
  clock.advance(15_999)
  await settle()
  t.false(state.done)
  clock.advance(100)
  await settle()
  t.true(state.done)
})

test('a worker that never says that it has stopped accepting does not hold it up for ever', async (t) => {
  const { clock, calls, state } = scene(1, { stopped: new Promise(() => {}) })
  clock.advance(25_999)
  await settle()
  t.deepEqual(calls, ['10000 stop accepting', '15000 retire 10000 1000', '25000 kill'])
  t.false(state.done)
  clock.advance(1)
  await settle()
  t.true(state.done)
})

test('nobody else serves: it accepts until the first moment without a connection', async (t) => {
  const { clock, calls, state, log } = scene(1, { relieved: false })
  clock.advance(12_000)
  await settle()
  t.deepEqual(calls, [])
  t.regex(log.take().join('\n'), /accepts on until the first moment without a connection, 1 connection left/)
  state.active = 0
  clock.advance(50)
  t.deepEqual(calls, ['12050 stop accepting'])
  await settle()
  clock.advance(50)
  await settle()
  t.true(state.done)
  t.is(clock.pending, 0)
})

test('nobody else serves: what waited in the queue when it stopped accepting is served to its end', async (t) => {
  const { clock, state } = scene(0, { relieved: false })
  clock.advance(10_000)
  state.active = 1 // from the queue
  await settle()
  clock.advance(3_000)
  await settle()
  t.false(state.done)
  state.active = 0
  clock.advance(50)
  await settle()
  t.true(state.done)
})

test('nobody else serves, and there is never such a moment: it accepts until the deadline, then all is reset', async (t) => {
  const { clock, calls, state } = scene(2, { relieved: false })
  clock.advance(24_999)
  await settle()
  t.deepEqual(calls, ['15000 retire 10000 1000'])
  clock.advance(1)
  t.deepEqual(calls.slice(1), ['25000 stop accepting', '25000 kill'])
  state.active = 0
  await settle()
  clock.advance(50)
  await settle()
  t.true(state.done)
  t.is(clock.pending, 0)
})

test('a successor that comes while it drains ends its accepting', async (t) => {
  const { clock, calls, state } = scene(1, { relieved: false })
  clock.advance(13_000)
  t.deepEqual(calls, [])
  state.relieved = true
  clock.advance(50)
  t.deepEqual(calls, ['13050 stop accepting'])
})
