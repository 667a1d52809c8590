import test from 'ava'
import fc from 'fast-check'
import { type Candidates, candidates } from '../../src/core/candidates.ts'
import type { EndpointSnapshot } from '../../src/core/snapshot.ts'
import { healthBit } from '../../src/core/tally.ts'
import { endpoint, id, pickContext, pool, seeded, weighted } from './balance-fixture.ts'

const policies = ['p2c', 'round-robin', 'least-connections', 'source-hash'] as const

function drain(order: Candidates): EndpointSnapshot[] {
  const all: EndpointSnapshot[] = []
  for (let next = order.next(); next !== undefined; next = order.next()) all.push(next)
  return all
}

/** Health words or loads by slot that a test can change between two calls. */
function cells(...values: number[]): { values: number[]; read(slot: number): number } {
  return { values, read: (slot) => values[slot] ?? 0 }
}

function slots(endpoints: readonly EndpointSnapshot[]): number[] {
  return endpoints.map((each) => each.slot)
}

const someEndpoint = fc.record({
  priority: fc.nat(2),
  weight: fc.integer({ min: 1, max: 5 }),
  maxConnections: fc.option(fc.integer({ min: 1, max: 3 })),
  // Mostly up, else pools without any limit or tier of interest would be the rule.
  word: fc.oneof(
    { weight: 4, arbitrary: fc.constant(0) },
    { weight: 2, arbitrary: fc.nat(7) },
    fc.nat(7).map((word) => word | healthBit.released),
  ),
  load: fc.nat(3),
})

for (const policy of policies) {
  test(`${policy}: whatever the health and the loads, the order is complete, in tiers and without a forbidden one`, (t) => {
    fc.assert(
      fc.property(
        fc.array(someEndpoint, { maxLength: 12 }),
        fc.integer(),
        fc.boolean(),
        (items, seed, panic) => {
          const sorted = items.toSorted((a, b) => a.priority - b.priority)
          const endpoints = sorted.map(({ priority, weight, maxConnections }, slot) =>
            endpoint(slot, { priority, weight, maxConnections }),
          )
          const context = pickContext({
            health: (slot) => sorted[slot]?.word ?? 0,
            load: (slot) => sorted[slot]?.load ?? 0,
            random: seeded(seed),
          })
          const order = candidates({ ...pool(policy, endpoints), panic }, context)
          const offered = drain(order)

          const someUp = sorted.some(({ word }) => word === 0)
          const admissible = endpoints.filter(({ slot }) => {
            const word = sorted[slot]?.word ?? 0
            const never = healthBit.draining | healthBit.released | (panic ? 0 : healthBit.down)
            return someUp ? word === 0 : (word & never) === 0
          })
          const usable = admissible.filter(
            ({ slot, maxConnections }) =>
              maxConnections === null || (sorted[slot]?.load ?? 0) < maxConnections,
          )
          t.deepEqual(slots(offered).sort(byNumber), slots(usable), 'each usable endpoint once, no other')
          const tiers = offered.map(({ priority }) => priority)
          t.deepEqual(tiers, tiers.toSorted(byNumber), 'tiers in order')
          t.is(order.panic, !someUp && admissible.length > 0)
          t.is(order.full, usable.length < admissible.length)
        },
      ),
    )
  })
}

function byNumber(a: number, b: number): number {
  return a - b
}

for (const policy of policies) {
  test(`${policy} decides the order within a tier`, (t) => {
    const loads = cells(30, 20, 10)
    const turns = pickContext().turns
    const client = Uint8Array.of(192, 0, 2, 4)
    const first = () =>
      candidates(pool(policy, weighted(1, 1, 1)), pickContext({ load: loads.read, turns, client })).next()?.id
    const seen = [first(), first(), first()].join(' ')
    // p2c starts from one seed, so it draws a and b each time, of which b has less.
    const expected = {
      p2c: 'b b b',
      'round-robin': 'a b c',
      'least-connections': 'c c c',
      'source-hash': 'a a a',
    }
    t.is(seen, expected[policy])
  })
}

test('a client of source-hash fails over to the endpoint that would be its own without the first', (t) => {
  const ten = Array.from({ length: 10 }, (_, slot) => endpoint(slot))
  const [first, second] = drain(candidates(pool('source-hash', ten), pickContext()))
  const without = ten.filter((each) => each !== first)
  t.is(candidates(pool('source-hash', without), pickContext()).next(), second)
})

test('the next tier is used when the first has nothing left, and not before', (t) => {
  const tiers = [endpoint(0), endpoint(1), endpoint(2, { priority: 1 }), endpoint(3, { priority: 5 })]
  const offered = slots(drain(candidates(pool('p2c', tiers), pickContext())))
  t.deepEqual(offered.slice(0, 2).sort(byNumber), [0, 1])
  t.deepEqual(offered.slice(2), [2, 3])
})

test('a full endpoint is passed over, and the spill to the next tier says so', (t) => {
  const tiers = [endpoint(0, { maxConnections: 5 }), endpoint(1, { priority: 1 })]
  const loads = cells(5, 0)
  const order = candidates(pool('p2c', tiers), pickContext({ load: loads.read }))
  t.is(order.next()?.slot, 1)
  t.true(order.full)
})

test('an endpoint that was full is offered once it has room, and then counts as tried', (t) => {
  const loads = cells(1)
  const order = candidates(
    pool('p2c', [endpoint(0, { maxConnections: 1 })]),
    pickContext({ load: loads.read }),
  )
  t.is(order.next(), undefined)
  t.true(order.full)
  loads.values[0] = 0
  t.is(order.next()?.slot, 0)
  t.false(order.full)
  loads.values[0] = 1
  t.is(order.next(), undefined)
  t.false(order.full, 'it was tried, not passed over')
})

test('a down endpoint is not offered when the up one was tried in vain', (t) => {
  const health = cells(0, healthBit.down)
  const order = candidates(
    pool('p2c', [endpoint(0), endpoint(1, { priority: 1 })]),
    pickContext({ health: health.read }),
  )
  t.deepEqual(slots(drain(order)), [0])
  t.false(order.panic)
})

test('a down endpoint is not offered when the up one is full', (t) => {
  const health = cells(0, healthBit.down)
  const order = candidates(
    pool('p2c', [endpoint(0, { maxConnections: 1 }), endpoint(1)]),
    pickContext({ health: health.read, load: () => 1 }),
  )
  t.is(order.next(), undefined)
  t.true(order.full)
  t.false(order.panic)
})

test('an endpoint that goes down between two calls is not offered any more', (t) => {
  const health = cells(0, 0, 0)
  const order = candidates(pool('round-robin', weighted(1, 1, 1)), pickContext({ health: health.read }))
  t.is(order.next()?.id, id('a'))
  health.values[1] = healthBit.down
  t.deepEqual(
    drain(order).map((each) => each.id),
    [id('c')],
  )
})

test('panic begins when the last endpoint that was up is ejected, and ends when one comes back', (t) => {
  const health = cells(0, healthBit.down, healthBit.ejected, healthBit.down)
  const endpoints = [endpoint(0), endpoint(1), endpoint(2, { priority: 1 }), endpoint(3, { priority: 2 })]
  const order = candidates(pool('p2c', endpoints), pickContext({ health: health.read }))
  t.is(order.next()?.slot, 0)
  t.false(order.panic)
  health.values[0] = healthBit.ejected
  t.is(order.next()?.slot, 1, 'in tier order, the tried one not again')
  t.true(order.panic)
  health.values[3] = 0
  t.is(order.next()?.slot, 3, 'the one that is up, ahead of its tier')
  t.false(order.panic)
})

test('draining endpoints get nothing even when nothing else is left', (t) => {
  const health = cells(healthBit.draining, healthBit.draining | healthBit.down)
  const order = candidates(pool('p2c', [endpoint(0), endpoint(1)]), pickContext({ health: health.read }))
  t.is(order.next(), undefined)
  t.false(order.panic, 'nothing is tried')
})

test('a draining endpoint does not keep the others from being tried in panic', (t) => {
  const health = cells(healthBit.draining, healthBit.down)
  const order = candidates(pool('p2c', [endpoint(0), endpoint(1)]), pickContext({ health: health.read }))
  t.deepEqual(slots(drain(order)), [1])
  t.true(order.panic)
})

test('an empty pool offers nothing', (t) => {
  const order = candidates(pool('p2c', []), pickContext())
  t.is(order.next(), undefined)
  t.false(order.panic)
  t.false(order.full)
})

test('p2c reads two loads however large the pool', (t) => {
  const read: number[] = []
  const many = Array.from({ length: 100 }, (_, slot) => endpoint(slot % 256))
  candidates(pool('p2c', many), pickContext({ load: (slot) => read.push(slot) })).next()
  t.is(read.length, 2)
})

for (const policy of policies) {
  test(`${policy}: a suspect endpoint comes after all others of all tiers, and before any that is down`, (t) => {
    fc.assert(
      fc.property(fc.array(someEndpoint, { minLength: 1, maxLength: 12 }), fc.integer(), (items, seed) => {
        const sorted = items.toSorted((a, b) => a.priority - b.priority)
        const endpoints = sorted.map(({ priority, weight }, slot) => endpoint(slot, { priority, weight }))
        // Here a load of 3 stands for suspicion.
        const words = sorted.map(({ word, load }) => word | (load === 3 ? healthBit.suspect : 0))
        const health = (slot: number): number => words[slot] ?? 0
        const order = candidates(pool(policy, endpoints), pickContext({ health, random: seeded(seed) }))
        const offered = drain(order).map(({ slot }) => health(slot))
        const firstSuspect = offered.indexOf(healthBit.suspect)
        const up = offered.filter((word) => (word & ~healthBit.suspect) === 0)
        if (up.length > 0) t.is(offered.length, up.length, 'no panic while one is up, suspect or not')
        if (firstSuspect !== -1) t.true(offered.slice(firstSuspect).every((word) => word !== 0))
      }),
    )
  })
}

test('whoever passes a suspect endpoint over learns which, and nobody else does', (t) => {
  const endpoints = weighted(1, 1)
  const { values, read } = cells(healthBit.suspect, 0)
  const order = candidates(pool('round-robin', endpoints), pickContext({ health: read }))
  t.is(order.next()?.slot, 1)
  t.is(order.suspect?.slot, 0)
  values[0] = 0
  const later = candidates(pool('round-robin', endpoints), pickContext({ health: read }))
  later.next()
  t.is(later.suspect, undefined)
})

test('with panic: off an endpoint that probes call down is never tried, and an ejected one is when there is no other', (t) => {
  const words = cells(healthBit.down, healthBit.down | healthBit.ejected, healthBit.ejected)
  const offers = (panic: boolean) => {
    const order = candidates(
      { ...pool('p2c', weighted(1, 1, 1)), panic },
      pickContext({ health: words.read }),
    )
    return { slots: slots(drain(order)).sort(byNumber), panic: order.panic }
  }
  t.deepEqual(offers(true), { slots: [0, 1, 2], panic: true })
  t.deepEqual(offers(false), { slots: [2], panic: true })
  words.values[2] = healthBit.down
  t.deepEqual(offers(false), { slots: [], panic: false })
})

test('a silent endpoint comes after all others of all tiers, as a suspect one does', (t) => {
  const endpoints = [endpoint(0), endpoint(1), endpoint(2, { priority: 1 })]
  const words = cells(healthBit.silent, healthBit.silent | healthBit.suspect, 0)
  const order = candidates(pool('round-robin', endpoints), pickContext({ health: words.read }))
  t.is(order.next()?.slot, 2)
  t.deepEqual(slots(drain(order)).sort(byNumber), [0, 1])
})

test('the one client that asks gets the silent endpoint first and then the others; nobody else does', (t) => {
  const endpoints = [endpoint(0), endpoint(1), endpoint(2)]
  const words = cells(0, healthBit.silent, 0)
  let due = true
  const takeAsking = (slot: number): boolean => {
    const mine = due && slot === 1
    if (mine) due = false
    return mine
  }
  const context = pickContext({ health: words.read, takeAsking })
  const first = slots(drain(candidates(pool('round-robin', endpoints), context)))
  t.is(first[0], 1)
  t.deepEqual(first.toSorted(byNumber), [0, 1, 2])
  t.is(slots(drain(candidates(pool('round-robin', endpoints), context))).at(-1), 1)
})

test('a silent endpoint that is full is asked by nobody', (t) => {
  const endpoints = [endpoint(0), endpoint(1, { maxConnections: 1 })]
  const context = pickContext({
    health: cells(0, healthBit.silent).read,
    load: () => 1,
    takeAsking: () => t.fail('asked'),
  })
  t.is(candidates(pool('round-robin', endpoints), context).next()?.slot, 0)
})
