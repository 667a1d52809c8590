import test from 'ava'
import fc from 'fast-check'
import { fairShares } from '../../../src/control/registry/fair-share.ts'

test('who wants little gets it, the others share the rest', (t) => {
  t.deepEqual(fairShares([5000, 3, 100], 4096), [3993, 3, 100])
  t.deepEqual(fairShares([5000, 5000], 4096), [2048, 2048])
  t.deepEqual(fairShares([10, 20], 4096), [10, 20])
  t.deepEqual(fairShares([], 4096), [])
})

test('nobody gets more than wanted, nothing is wasted, and everybody has an equal part or all of his wish', (t) => {
  fc.assert(
    fc.property(fc.array(fc.nat(3000), { maxLength: 50 }), fc.nat(4096), (wanted, room) => {
      const shares = fairShares(wanted, room)
      const sum = (of: readonly number[]) => of.reduce((total, each) => total + each, 0)
      if (sum(shares) !== Math.min(sum(wanted), room)) return false
      const equal = Math.floor(room / Math.max(1, wanted.length))
      return shares.every((share, i) => share <= (wanted[i] ?? 0) && share >= Math.min(equal, wanted[i] ?? 0))
    }),
  )
  t.pass()
})
