import test from 'ava'
import type { Sign } from '../../src/core/sign.ts'
import { endpointCell, endpointField, Tally } from '../../src/core/tally.ts'
import { type Waiter, Waiting } from '../../src/session/waiting.ts'
import { FakeClock } from '../control/fixture.ts'
import { endpoint, pool, seeded } from '../core/balance-fixture.ts'

const [a, b, c] = [0, 1, 2] as const

/** A pool of three in two workers that share a clock. */
function scene() {
  const clock = new FakeClock()
  const tally = new Tally(2)
  const signs: Sign[] = []
  const worker = (index: number): Waiting => {
    const waiting = new Waiting({
      tally,
      row: tally.row(index),
      after: clock.after,
      nowMs: clock.nowMs,
      sign: (sign) => void signs.push(sign),
    })
    waiting.update([
      pool(
        'round-robin',
        [a, b, c].map((slot) => endpoint(slot)),
      ),
    ])
    return waiting
  }
  const [one, two] = [worker(1), worker(2)]
  /** Somebody asks and has a byte after `ms`. */
  const served = (waiting: Waiting, slot: number, ms: number): void => {
    const waiter = waiting.asked(slot)
    clock.advance(ms)
    waiting.heard(slot, waiter)
  }
  /** Everybody is known to answer after 4 ms. */
  const settle = (): void => {
    for (const waiting of [one, two])
      for (const slot of [a, b, c]) for (let i = 0; i < 10; i++) served(waiting, slot, 4)
  }
  const cell = (slot: number, field: keyof typeof endpointField): number =>
    tally.sum(endpointCell(slot) + endpointField[field])
  return { clock, tally, signs, one, two, served, settle, cell }
}

test('three who wait while others are served are a sign, told within 150 ms', (t) => {
  const { clock, signs, one, served, settle } = scene()
  settle()
  for (let i = 0; i < 3; i++) one.asked(b)
  const startMs = clock.nowMs()
  while (signs.length === 0 && clock.nowMs() < startMs + 1_000) served(one, a, 4)
  t.like(signs, [{ kind: 'silent', slot: b, waiting: 3 }])
  t.true(clock.nowMs() - startMs <= 160, `after ${clock.nowMs() - startMs} ms`)
})

test('waiters of all workers count together', (t) => {
  const { clock, signs, one, two, served, settle } = scene()
  settle()
  one.asked(b)
  two.asked(b)
  two.asked(b)
  for (let i = 0; i < 60; i++) served(one, a, 4)
  t.like(signs[0], { kind: 'silent', slot: b, waiting: 3 })
  clock.advance(60)
})

test('two who wait are no sign, nor are three while everybody waits', (t) => {
  const { clock, signs, one, served, settle } = scene()
  settle()
  for (let i = 0; i < 2; i++) one.asked(b)
  for (let i = 0; i < 100; i++) served(one, a, 4)
  for (const slot of [a, b, c]) for (let i = 0; i < 5; i++) one.asked(slot)
  clock.advance(2_000)
  t.deepEqual(signs, [])
})

test('when everybody becomes slow at once, nobody is silent, and the new pace is the usual one', (t) => {
  const { clock, signs, one, settle } = scene()
  settle()
  const begun: { slot: number; waiter: Waiter; dueMs: number }[] = []
  for (let i = 0; i < 3_000; i++) {
    const slot = i % 3
    // Not all equally: c is half as slow again.
    const tookMs = slot === c ? 1_500 : 1_000
    begun.push({ slot, waiter: one.asked(slot), dueMs: clock.nowMs() + tookMs })
    clock.advance(2)
    for (const each of begun.filter(({ dueMs }) => dueMs <= clock.nowMs())) {
      one.heard(each.slot, each.waiter)
      begun.splice(begun.indexOf(each), 1)
    }
  }
  t.deepEqual(signs, [])
})

test('a slow question beside a thousand quick ones is no sign, and is looked at once', (t) => {
  const { signs, one, served, settle, cell } = scene()
  settle()
  for (let i = 0; i < 5; i++) one.asked(b)
  for (let i = 0; i < 1_000; i++) served(one, i % 3, 4)
  t.deepEqual(signs, [])
  t.is(cell(b, 'overdue'), 0)
})

for (const share of [0.5, 0.1, 0.02]) {
  test(`where ${share * 100} % are answered and the others only send, those who wait are no sign`, (t) => {
    const { clock, signs, one } = scene()
    const random = seeded(7)
    const answered: { slot: number; waiter: Waiter; dueMs: number }[] = []
    for (let i = 0; i < 20_000; i++) {
      const slot = Math.floor(random() * 3)
      const waiter = one.asked(slot)
      if (random() < share) answered.push({ slot, waiter, dueMs: clock.nowMs() + 8 * random() })
      clock.advance(-2 * Math.log(1 - random()))
      while (answered[0] !== undefined && answered[0].dueMs <= clock.nowMs()) {
        const [first] = answered.splice(0, 1)
        if (first !== undefined) one.heard(first.slot, first.waiter)
      }
    }
    // Chance alone makes one of a hundred: a few in a row may look like a silence, and the next byte ends it.
    t.true(signs.length <= 4, `${signs.length} signs in 40 s`)
  })
}

test('an endpoint that has never answered has nobody on the list, and no timer runs', (t) => {
  const { clock, one } = scene()
  for (let i = 0; i < 100; i++) one.asked(b)
  t.is(clock.pending, 0)
})

test('there is one timer for all who wait, and none when nobody does', (t) => {
  const { clock, one, settle } = scene()
  settle()
  clock.advance(100)
  t.is(clock.pending, 0)
  const waiters = Array.from({ length: 50 }, () => one.asked(b))
  t.is(clock.pending, 1)
  for (const waiter of waiters) one.left(waiter)
  clock.advance(50)
  t.is(clock.pending, 0)
})

test('a first byte ends a silence and says so once', (t) => {
  const { tally, signs, one } = scene()
  tally.silence(b)
  one.heard(b, null)
  one.heard(b, null)
  t.deepEqual(signs, [{ kind: 'heard', slot: b }])
  t.false(tally.silent(b))
})

test('a server that speaks first is served, and nothing is measured', (t) => {
  const { one, cell } = scene()
  one.heard(b, null)
  t.is(cell(b, 'served'), 1)
  t.is(cell(b, 'answers'), 0)
  t.is(cell(b, 'firstByteMs'), 0)
})

test('a thread that stood still does not judge by what it has not read yet', (t) => {
  const { clock, tally, signs, one, served, settle } = scene()
  settle()
  for (let i = 0; i < 3; i++) one.asked(b)
  // Sweeps come late by a second; another worker was served meanwhile.
  const late = new Waiting({
    tally,
    row: tally.row(2),
    after: (ms, fire) => clock.after(ms + 1_000, fire),
    nowMs: clock.nowMs,
    sign: (sign) => void signs.push(sign),
  })
  late.update([
    pool(
      'round-robin',
      [a, b, c].map((slot) => endpoint(slot)),
    ),
  ])
  for (let i = 0; i < 3; i++) late.asked(c)
  for (let i = 0; i < 400; i++) served(one, a, 4)
  t.deepEqual(
    signs.map(({ slot }) => slot).filter((slot) => slot === c),
    [],
  )
})

test('an endpoint that main does not call silent is named again, not at every look', (t) => {
  const { clock, signs, one, served, settle } = scene()
  settle()
  for (let i = 0; i < 3; i++) one.asked(b)
  const startMs = clock.nowMs()
  while (clock.nowMs() < startMs + 2_000) served(one, a, 4)
  t.true(signs.length >= 3 && signs.length <= 5, `${signs.length} signs`)
})
