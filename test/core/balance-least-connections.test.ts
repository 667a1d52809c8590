import test from 'ava'
import fc from 'fast-check'
import { leastConnections } from '../../src/core/balance/least-connections.ts'
import { chiSquare, endpoint, seeded, tally, weighted } from './balance-fixture.ts'

test('no endpoint has less load per weight than the one that is picked', (t) => {
  const loaded = fc.record({ weight: fc.integer({ min: 1, max: 256 }), load: fc.nat(10_000) })
  fc.assert(
    fc.property(fc.array(loaded, { minLength: 1, maxLength: 20 }), fc.integer(), (items, seed) => {
      const endpoints = items.map(({ weight }, slot) => endpoint(slot, { weight }))
      const picked = leastConnections(endpoints, {
        load: (slot) => items[slot]?.load ?? 0,
        random: seeded(seed),
      })
      const perWeight = items.map(({ load, weight }) => load / weight)
      return perWeight[picked?.slot ?? -1] === Math.min(...perWeight)
    }),
  )
  t.pass()
})

test('equally loaded endpoints are used by weight, the others not at all', (t) => {
  const endpoints = weighted(5, 1, 2, 1)
  const loads = [10, 2, 4, 3]
  const context = { load: (slot: number) => loads[slot] ?? 0, random: seeded(1) }
  const counts = tally(
    4,
    Array.from({ length: 16_000 }, () => leastConnections(endpoints, context)),
  )
  t.is(counts[3], 0)
  // 2 degrees of freedom: exceeded once in 100,000 runs of a fair picker.
  t.true(chiSquare(counts.slice(0, 3), [5, 1, 2]) < 23.1, `${counts}`)
})

test('whatever the weights, connections that stay never differ from them by more than one', (t) => {
  const weights = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(weights, fc.integer(), fc.integer({ min: 1, max: 400 }), (list, seed, count) => {
      const endpoints = weighted(...list)
      const loads = list.map(() => 0)
      const context = { load: (slot: number) => loads[slot] ?? 0, random: seeded(seed) }
      for (let i = 0; i < count; i++) {
        const slot = leastConnections(endpoints, context)?.slot ?? -1
        loads[slot] = (loads[slot] ?? 0) + 1
      }
      const least = Math.min(...loads.map((load, slot) => load / (list[slot] ?? 1)))
      return loads.every((load, slot) => (load - 1) / (list[slot] ?? 1) <= least)
    }),
  )
  t.pass()
})

test('connections that stay settle exactly in proportion to the weights', (t) => {
  const endpoints = weighted(5, 1, 2)
  const loads = [0, 0, 0]
  const context = { load: (slot: number) => loads[slot] ?? 0, random: seeded(2) }
  for (let i = 0; i < 800; i++) {
    const slot = leastConnections(endpoints, context)?.slot ?? -1
    loads[slot] = (loads[slot] ?? 0) + 1
  }
  t.deepEqual(loads, [500, 100, 200])
})

test('no endpoint gives undefined', (t) => {
  t.is(leastConnections([], { load: () => 0, random: seeded(3) }), undefined)
})
