import test from 'ava'
import fc from 'fast-check'
import { fullShare, shareAfter, shareBits, shareOf } from '../../src/core/slow-start.ts'
import { notUp } from '../../src/core/tally.ts'

const table = [
  { elapsedMs: 0, lengthMs: 30_000, share: 100 },
  { elapsedMs: 15_000, lengthMs: 30_000, share: 550 },
  { elapsedMs: 29_999, lengthMs: 30_000, share: 999 },
  { elapsedMs: 30_000, lengthMs: 30_000, share: 1000 },
  { elapsedMs: 31_000, lengthMs: 30_000, share: 1000 },
  { elapsedMs: 0, lengthMs: 1, share: 100 },
  { elapsedMs: 0, lengthMs: 0, share: 1000 },
]
for (const { elapsedMs, lengthMs, share } of table) {
  test(`${elapsedMs} ms into a slow start of ${lengthMs} ms the share is ${share} per mille`, (t) => {
    t.is(shareAfter(elapsedMs, lengthMs), share)
  })
}

test('a share never falls, begins at a tenth, and ends at the full one exactly when the time is over', (t) => {
  const length = fc.integer({ min: 1, max: 24 * 86_400_000 })
  fc.assert(
    fc.property(
      length,
      fc.double({ min: 0, max: 1.2, noNaN: true }),
      fc.nat(100_000),
      (lengthMs, at, laterMs) => {
        const elapsedMs = at * lengthMs
        const share = shareAfter(elapsedMs, lengthMs)
        t.true(share >= 100 && share <= fullShare)
        t.true(shareAfter(elapsedMs + laterMs, lengthMs) >= share)
        t.is(share === fullShare, elapsedMs >= lengthMs)
      },
    ),
  )
})

test('every share comes out of a health word as it went in, and touches no health bit', (t) => {
  for (let share = 100; share <= fullShare; share++) {
    t.is(shareOf(shareBits(share) | notUp), share)
    t.is(shareBits(share) & notUp, 0)
  }
})

test('a word of 0 is the full share', (t) => {
  t.is(shareOf(0), fullShare)
  t.is(shareBits(fullShare), 0)
})
