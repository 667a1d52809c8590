import test from 'ava'
import { shortDuration } from '../../src/command/duration.ts'

for (const [ms, text] of [
  [0, '0s'],
  [-5, '0s'],
  [0.4, '0s'],
  [1, '1ms'],
  [999.9, '999ms'],
  [1_000, '1s'],
  [59_999, '59s'],
  [60_000, '1m'],
  [312_500, '5m12s'],
  [3_600_000, '1h'],
  [7_380_000, '2h3m'],
  [86_399_999, '23h59m'],
  [273_600_000, '3d4h'],
] as const) {
  test(`${ms} ms is ${text}`, (t) => t.is(shortDuration(ms), text))
}
