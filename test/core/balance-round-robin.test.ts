import test from 'ava'
import fc from 'fast-check'
import { roundRobin, Turns } from '../../src/core/balance/round-robin.ts'
import type { EndpointSnapshot, PoolSnapshot } from '../../src/core/snapshot.ts'
import { maxListeners } from '../../src/core/tally.ts'
import { endpoint, id, pool, tally, weighted } from './balance-fixture.ts'

function rotate(from: PoolSnapshot, turns: Turns, count: number): (EndpointSnapshot | undefined)[] {
  return Array.from({ length: count }, () => roundRobin(from, from.endpoints, turns))
}

function names(picks: readonly (EndpointSnapshot | undefined)[]): string {
  return picks.map((picked) => picked?.id).join(' ')
}

test('weights 5, 1, 1 give a a b a c a a, again and again', (t) => {
  const web = pool('round-robin', weighted(5, 1, 1))
  const turns = new Turns()
  t.is(names(rotate(web, turns, 14)), 'a a b a c a a a a b a c a a')
})

test('equal weights take turns in order', (t) => {
  t.is(names(rotate(pool('round-robin', weighted(1, 1, 1)), new Turns(), 6)), 'a b c a b c')
})

test('in a round as long as the weights are heavy, each endpoint is picked as often as its weight says', (t) => {
  const weights = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 10 })
  fc.assert(
    fc.property(weights, (list) => {
      const round = list.reduce((sum, weight) => sum + weight, 0)
      const picks = rotate(pool('round-robin', weighted(...list)), new Turns(), round)
      t.deepEqual(tally(list.length, picks), list)
    }),
  )
})

test('turns survive a new snapshot', (t) => {
  const turns = new Turns()
  const seen: (EndpointSnapshot | undefined)[] = []
  for (let version = 0; version < 7; version++) {
    seen.push(...rotate(pool('round-robin', weighted(5, 1, 1)), turns, 1))
  }
  t.is(names(seen), 'a a b a c a a')
})

test('pools do not share their turns', (t) => {
  const turns = new Turns()
  const one = pool('round-robin', weighted(1, 1), 'one')
  const two = pool('round-robin', weighted(1, 1), 'two')
  t.is(names([...rotate(one, turns, 1), ...rotate(two, turns, 1), ...rotate(one, turns, 1)]), 'a a b')
})

test('an endpoint that is passed over leaves its turns to the others by weight', (t) => {
  const web = pool('round-robin', weighted(4, 2, 1))
  const turns = new Turns()
  const without = web.endpoints.slice(1)
  const picks = Array.from({ length: 30 }, () => roundRobin(web, without, turns))
  t.deepEqual(tally(3, picks), [0, 20, 10])
})

test('departed endpoints are forgotten however many come and go', (t) => {
  const turns = new Turns()
  for (let version = 0; version < 500; version++) {
    const endpoints = [0, 1, 2].map((slot) => endpoint(slot, { id: id(`pod-${version}-${slot}:80`) }))
    rotate(pool('round-robin', endpoints), turns, 2)
    t.true(turns.size <= 9, `${turns.size} endpoints remembered in version ${version}`)
  }
})

test('a session on the previous snapshot does not make the present endpoints lose their turns', (t) => {
  const turns = new Turns()
  const [a, b, c] = weighted(1, 1, 1)
  if (a === undefined || b === undefined || c === undefined) throw new TypeError('three endpoints expected')
  const before = pool('round-robin', [a, b])
  const after = pool('round-robin', [b, c])
  rotate(before, turns, 2)
  const seen = rotate(after, turns, 1)
  rotate(before, turns, 2)
  seen.push(...rotate(after, turns, 1))
  t.is(names(seen), 'b c')
})

test('departed pools are forgotten however many come and go', (t) => {
  const turns = new Turns()
  for (let i = 0; i < 2 * maxListeners; i++)
    rotate(pool('round-robin', weighted(1, 1), `pool-${i}`), turns, 1)
  t.is(turns.size, 2 * maxListeners)
})

test('no endpoint gives undefined', (t) => {
  t.is(roundRobin(pool('round-robin', []), [], new Turns()), undefined)
})
