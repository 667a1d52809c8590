import test from 'ava'
import fc from 'fast-check'
import { formatDuration, maxDurationMs, parseDuration } from '../../src/config/duration.ts'

const accepted: readonly (readonly [string, number])[] = [
  ['0s', 0],
  ['250ms', 250],
  ['5s', 5000],
  ['2m', 120_000],
  ['1h', 3_600_000],
  ['24d', maxDurationMs],
]
for (const [text, ms] of accepted) {
  test(`\`${text}\` is ${ms} ms`, (t) => {
    t.is(parseDuration(text), ms)
  })
}

for (const text of [
  '',
  '5',
  's',
  '5 s',
  ' 5s',
  '5s ',
  '-5s',
  '+5s',
  '1.5s',
  '1e3s',
  '5S',
  '5sec',
  '1h30m',
  '٥s',
  '5s\n',
]) {
  test(`${JSON.stringify(text)} is not a duration`, (t) => {
    t.is(parseDuration(text), undefined)
  })
}

test('what formatDuration writes is read back as the same time', (t) => {
  fc.assert(
    fc.property(fc.nat(maxDurationMs), (ms) => parseDuration(formatDuration(ms)) === ms),
    { numRuns: 500 },
  )
  t.is(formatDuration(90_000), '90s')
  t.is(formatDuration(3_600_000), '1h')
})

test('the longest duration still fits a timer, and a day more does not', (t) => {
  const timerLimitMs = 2 ** 31 - 1
  t.true(maxDurationMs <= timerLimitMs)
  t.true(maxDurationMs + 86_400_000 > timerLimitMs)
})
