import test from 'ava'
import fc from 'fast-check'
import { p2c } from '../../src/core/balance/p2c.ts'
import { chiSquare, endpoint, seeded, tally, weighted } from './balance-fixture.ts'

test('the more loaded of the two that were drawn is never picked', (t) => {
  const loaded = fc.record({ weight: fc.integer({ min: 1, max: 256 }), load: fc.nat(10_000) })
  fc.assert(
    fc.property(fc.array(loaded, { minLength: 2, maxLength: 20 }), fc.integer(), (items, seed) => {
      const endpoints = items.map(({ weight }, slot) => endpoint(slot, { weight }))
      const drawn: number[] = []
      const load = (slot: number) => {
        drawn.push(slot)
        return items[slot]?.load ?? 0
      }
      const picked = p2c(endpoints, { load, random: seeded(seed) })
      const perWeight = (slot = -1) => (items[slot]?.load ?? Number.NaN) / (items[slot]?.weight ?? 1)
      const other = drawn.find((slot) => slot !== picked?.slot)
      return (
        drawn.length === 2 &&
        other !== undefined &&
        drawn.includes(picked?.slot ?? -1) &&
        perWeight(picked?.slot) <= perWeight(other)
      )
    }),
  )
  t.pass()
})

test('of two endpoints the one with less load per weight is always picked', (t) => {
  const endpoints = weighted(4, 1)
  const random = seeded(2)
  for (let i = 0; i < 200; i++) {
    t.is(p2c(endpoints, { load: (slot) => [7, 2][slot] ?? 0, random })?.id, endpoints[0]?.id)
    t.is(p2c(endpoints, { load: (slot) => [9, 2][slot] ?? 0, random })?.id, endpoints[1]?.id)
  }
})

test('whatever the weights, an idle pool is used by them', (t) => {
  const weights = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 2, maxLength: 8 })
  fc.assert(
    fc.property(weights, fc.integer(), (list, seed) => {
      const endpoints = weighted(...list)
      const context = { load: () => 0, random: seeded(seed) }
      const picks = Array.from({ length: 2_000 }, () => p2c(endpoints, context))
      // At most 7 degrees of freedom: far beyond what a fair picker ever draws.
      return chiSquare(tally(list.length, picks), list) < 60
    }),
  )
  t.pass()
})

test('an idle pool is used by weight', (t) => {
  const weights = [5, 1, 1, 3]
  const endpoints = weighted(...weights)
  const context = { load: () => 0, random: seeded(3) }
  const counts = tally(
    4,
    Array.from({ length: 20_000 }, () => p2c(endpoints, context)),
  )
  // 3 degrees of freedom: exceeded once in 100,000 runs of a fair picker.
  t.true(chiSquare(counts, weights) < 25.9, `${counts}`)
})

test('connections that stay settle in proportion to the weights', (t) => {
  const endpoints = weighted(1, 2, 4, 8)
  const loads = [0, 0, 0, 0]
  const context = { load: (slot: number) => loads[slot] ?? 0, random: seeded(4) }
  for (let i = 0; i < 15_000; i++) {
    const slot = p2c(endpoints, context)?.slot ?? -1
    loads[slot] = (loads[slot] ?? 0) + 1
  }
  for (const [slot, load] of loads.entries()) {
    const fair = 1000 * 2 ** slot
    t.true(Math.abs(load - fair) < 0.05 * fair, `${loads}`)
  }
})

test('a random number that rounds up to the end still draws two different endpoints', (t) => {
  const endpoints = weighted(1, 1, 1)
  const drawn: number[] = []
  const load = (slot: number) => drawn.push(slot)
  p2c(endpoints, { load, random: () => 1 })
  t.deepEqual(drawn.sort(), [1, 2])
})

test('one endpoint is picked without a choice, none gives undefined', (t) => {
  const context = { load: () => 0, random: seeded(5) }
  t.is(p2c(weighted(3), context)?.slot, 0)
  t.is(p2c([], context), undefined)
})
