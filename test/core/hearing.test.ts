import test from 'ava'
import { askAfterMs, type Hearing, heard, heardSince, silenced } from '../../src/core/hearing.ts'

const found = { waiting: 3, waitedMs: 700.4, usualMs: 4.04 }

function fallSilent(state: Hearing, nowMs: number): Hearing & { kind: 'silent' } {
  const next = silenced(state, found, nowMs)
  if (next.kind !== 'silent') throw new Error('not silent')
  return next
}

test('a silence says what clients have seen', (t) => {
  const { why } = fallSilent(heardSince(0), 5)
  t.is(why, '3 connections have waited 700 ms for a first byte; usually 4.0 ms')
  const slow = silenced(heardSince(0), { waiting: 12, waitedMs: 900, usualMs: 120.6 }, 5)
  t.like(slow, { why: '12 connections have waited 900 ms for a first byte; usually 121 ms' })
})

test('who is silent already stays so since then, and who is heard too', (t) => {
  const silent = fallSilent(heardSince(0), 5)
  t.is(silenced(silent, found, 9), silent)
  const back = heard(silent, 10)
  t.like(back, { kind: 'heard', sinceMs: 10 })
  t.is(heard(back, 11), back)
})

test('the first silence ends with the first probe that is answered, later ones after longer and longer', (t) => {
  const waits: number[] = []
  let state = heardSince(0)
  for (let nowMs = 0; nowMs < 8; nowMs++) {
    const silent = fallSilent(state, nowMs)
    waits.push(silent.believedMs - nowMs)
    state = heard(silent, nowMs)
  }
  t.deepEqual(waits, [0, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
})

test('each minute in which it was heard takes a silence off', (t) => {
  let state = heardSince(0)
  for (let i = 0; i < 4; i++) state = heard(fallSilent(state, 0), 0)
  t.is(fallSilent(state, 59_999).believedMs - 59_999, 8_000)
  t.is(fallSilent(state, 120_000).believedMs - 120_000, 2_000)
  t.is(fallSilent(state, 600_000).believedMs - 600_000, 0)
})

test('the pauses between clients that ask double from ten seconds to a minute', (t) => {
  t.deepEqual([0, 1, 2, 3, 100].map(askAfterMs), [10_000, 20_000, 40_000, 60_000, 60_000])
})
