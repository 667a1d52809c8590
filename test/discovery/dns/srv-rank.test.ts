import test from 'ava'
import { sharesOf } from '../../../src/discovery/dns/srv-rank.ts'

/** `priority/weight` of records, and of the shares. */
const table: readonly (readonly [string, string, string])[] = [
  ['equal weights stay as they are', '0/10 0/10', '0/10 0/10'],
  ['zeros alone are equal', '0/0 0/0', '0/1 0/1'],
  ['a zero beside a one has a very small chance', '0/0 0/1', '0/1 0/1000'],
  [
    'a zero beside others has a very small chance, and they keep their ratio',
    '0/0 0/2 0/4',
    '0/1 0/500 0/1000',
  ],
  ['weights above a thousand are scaled', '0/65535 0/32768', '0/1000 0/500'],
  ['weights that differ stay as they are', '0/3 0/1', '0/3 0/1'],
  ['priorities become tiers without gaps', '65535/1 10/1 20/1 10/1', '2/1 0/1 1/1 0/1'],
  ['weights are compared within their priority', '0/0 0/0 1/60000', '0/1 0/1 1/1000'],
]

for (const [claim, records, expected] of table) {
  test(claim, (t) => {
    const ranks = records.split(' ').map((record) => {
      const [priority = 0, weight = 0] = record.split('/').map(Number)
      return { priority, weight }
    })
    t.is(
      sharesOf(ranks)
        .map(({ priority, weight }) => `${priority}/${weight}`)
        .join(' '),
      expected,
    )
  })
}
