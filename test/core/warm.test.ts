import test from 'ava'
import fc from 'fast-check'
import { Allowance } from '../../src/core/allowance.ts'
import { warmShare, warmSockets, warmWithin } from '../../src/core/warm.ts'
import { endpoint, pool } from './balance-fixture.ts'

const warmPool = (name: string, connections: number, endpoints: number) => ({
  ...pool(
    'p2c',
    Array.from({ length: endpoints }, (_, slot) => endpoint(slot)),
    name,
  ),
  warm: { connections, maxAgeMs: 25_000 },
})

test('the shares of all workers are what is configured, or one each where that is more', (t) => {
  const numbers = fc.tuple(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1, max: 64 }), fc.nat(4095))
  fc.assert(
    fc.property(numbers, ([connections, workers, slot]) => {
      const shares = Array.from({ length: workers }, (_, i) => warmShare(connections, workers, i + 1, slot))
      const sum = shares.reduce((total, share) => total + share, 0)
      return sum === Math.max(connections, workers) && Math.max(...shares) - Math.min(...shares) <= 1
    }),
  )
  t.pass()
})

test('what remains goes to another worker for the next endpoint', (t) => {
  t.deepEqual(
    [1, 2, 3].map((index) => warmShare(4, 3, index, 0)),
    [2, 1, 1],
  )
  t.deepEqual(
    [1, 2, 3].map((index) => warmShare(4, 3, index, 1)),
    [1, 1, 2],
  )
})

test('a pool that is not warm needs no sockets, and one that is at least one a worker', (t) => {
  t.is(warmSockets(pool('p2c', [endpoint(0)]), 4), 0)
  t.is(warmSockets(warmPool('web', 16, 3), 4), 48)
  t.is(warmSockets(warmPool('web', 1, 3), 4), 12)
})

test('pools that do not fit are not warm, and those that do are', (t) => {
  const pools = [warmPool('a', 10, 2), warmPool('b', 100, 2), warmPool('c', 5, 2)]
  const kept = warmWithin(pools, 2, 40)
  t.deepEqual(
    kept.map(({ name, warm }) => [name, warm !== null]),
    [
      ['a', true],
      ['b', false],
      ['c', true],
    ],
  )
})

test('an allowance is full at first, fills with time, and never beyond its burst', (t) => {
  const allowance = new Allowance(250, 3, 0)
  const taken = (nowMs: number) => {
    let count = 0
    while (allowance.take(nowMs)) count++
    return count
  }
  t.is(taken(0), 3)
  t.is(taken(3), 0)
  t.is(taken(4), 1)
  t.is(taken(12), 2)
  t.is(taken(60_000), 3)
})
