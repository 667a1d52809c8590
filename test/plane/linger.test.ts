import test from 'ava'
import { Linger } from '../../src/plane/linger.ts'
import type { Sight } from '../../src/plane/sight.ts'

const patienceMs = 1_000
const timeouts = {
  idleMs: 60_000,
  halfCloseMs: patienceMs,
  stallMs: 60_000,
  unackedMs: 60_000,
  keepalive: { idleMs: 60_000, intervalMs: 15_000, count: 4 },
}

/** A wait whose kernel and clock a test sets. `looks`: after how long it wants to ask again, each time. */
function scene(given: { blind?: boolean } = {}) {
  const world = { nowMs: 0, queued: 0, cancelled: 0 }
  const looks: number[] = []
  const sight: Sight = { unacknowledged: () => world.queued, tcp: () => null, view: () => null }
  const linger = new Linger(
    {
      now: () => world.nowMs,
      after(ms) {
        looks.push(ms)
        return () => world.cancelled++
      },
      sight: given.blind === true ? null : sight,
    },
    timeouts,
  )
  const waits = (heldBytes = 0, movedMs = 0): boolean => linger.waits(heldBytes, movedMs, 7, () => {})
  return { world, looks, linger, waits }
}

test('nothing held and nothing unacknowledged: the reset goes at once', (t) => {
  const { looks, waits } = scene()
  t.false(waits())
  t.deepEqual(looks, [])
})

test('looks come after 4 ms, then after twice the time, at most 250 ms', (t) => {
  const { world, looks, waits } = scene()
  for (world.queued = 100; world.queued > 90; world.queued--) t.true(waits())
  t.deepEqual(looks, [4, 8, 16, 32, 64, 128, 250, 250, 250, 250])
})

test('a peer that takes nothing has the patience and not more', (t) => {
  const { world, looks, waits } = scene()
  world.queued = 100
  t.true(waits())
  world.nowMs = 950
  t.true(waits())
  t.is(looks.at(-1), 8)
  world.nowMs = 999
  t.true(waits())
  t.is(looks.at(-1), 1)
  world.nowMs = 1_000
  t.false(waits())
})

test('bytes that are acknowledged renew it, however few', (t) => {
  const { world, waits } = scene()
  world.queued = 100
  for (; world.queued > 0; world.queued--) {
    world.nowMs += 900
    t.true(waits(), `${world.queued}`)
  }
  t.false(waits())
})

test('so do bytes that the kernel took from us, though the queue is as long as before', (t) => {
  const { world, waits } = scene()
  world.queued = 100
  for (let i = 0; i < 10; i++) {
    world.nowMs += 900
    t.true(waits(50, world.nowMs))
  }
  world.nowMs += 1_000
  t.false(waits(50, world.nowMs - 1_000))
})

test('where the kernel cannot be asked it waits for a second after it has taken everything', (t) => {
  const { world, waits } = scene({ blind: true })
  t.true(waits(50))
  world.nowMs = 500
  t.true(waits(0, 500))
  world.nowMs = 1_499
  t.true(waits(0, 500))
  world.nowMs = 1_500
  t.false(waits(0, 500))
})

test('asking again takes the look back that was to come', (t) => {
  const { world, linger, waits } = scene()
  world.queued = 1
  waits()
  waits()
  t.is(world.cancelled, 1)
  linger.cancel()
  linger.cancel()
  t.is(world.cancelled, 2)
})
