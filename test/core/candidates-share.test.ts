import test from 'ava'
import fc from 'fast-check'
import { Turns } from '../../src/core/balance/round-robin.ts'
import { candidates } from '../../src/core/candidates.ts'
import { fullShare, shareBits } from '../../src/core/slow-start.ts'
import type { EndpointSnapshot, PoolSnapshot } from '../../src/core/snapshot.ts'
import { healthBit } from '../../src/core/tally.ts'
import {
  chiSquare,
  clients,
  endpoint,
  pickContext,
  pool,
  seeded,
  tally,
  weighted,
} from './balance-fixture.ts'

const policies = ['p2c', 'round-robin', 'least-connections', 'source-hash'] as const
type Policy = (typeof policies)[number]

/** Which of the 10,000 clients get which endpoint, when endpoint `slot` has `shares[slot]`; loads are equal. */
function picks(policy: Policy, endpoints: readonly EndpointSnapshot[], shares: readonly number[], seed = 1) {
  const turns = new Turns()
  const random = seeded(seed)
  const words = shares.map(shareBits)
  return clients.map((client) =>
    candidates(
      pool(policy, endpoints),
      pickContext({ health: (slot) => words[slot] ?? 0, turns, random, client }),
    ).next(),
  )
}

const ramp = [100, 250, 400, 550, 700, 850, fullShare]

for (const policy of policies) {
  test(`${policy}: a share of its share is what an endpoint in slow start gets, and the others divide the rest by weight`, (t) => {
    const weights = policy === 'least-connections' ? [1, 1, 1] : [3, 2, 1]
    for (const share of ramp) {
      // With equal loads p2c keeps its first draw, which follows the weights; least-connections compares load by weight.
      const counts = tally(3, picks(policy, weighted(...weights), [fullShare, share, fullShare]))
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      const own = ((weights[1] ?? 0) / total) * (share / fullShare)
      const rest = (weight: number) => (weight / (total - (weights[1] ?? 0))) * (1 - own)
      // 13.8: chi-square of two degrees of freedom is above it once in a thousand; the seeds are fixed.
      const expected = [rest(weights[0] ?? 0), own, rest(weights[2] ?? 0)]
      t.true(
        chiSquare(counts, expected) < 13.8,
        `${share}: ${counts.join(' ')}, expected ${expected.join(' ')}`,
      )
    }
  })

  test(`${policy}: a tier that recovers takes over from the one after it at the pace of its share, as one`, (t) => {
    const tiers = [endpoint(0), endpoint(1), endpoint(2), endpoint(3, { priority: 1 })]
    for (const share of ramp) {
      const counts = tally(4, picks(policy, tiers, [share, share, share, fullShare]))
      const part = ((counts[0] ?? 0) + (counts[1] ?? 0) + (counts[2] ?? 0)) / clients.length
      t.true(Math.abs(part - share / fullShare) < 0.02, `${share}: ${counts.join(' ')}`)
    }
  })

  test(`${policy}: with nobody in slow start nothing is drawn for it`, (t) => {
    const drawn: number[] = []
    const random = () => {
      drawn.push(drawn.length)
      return 0
    }
    candidates(pool(policy, [endpoint(0)]), pickContext({ random })).next()
    t.deepEqual(drawn, [])
  })
}

const member = fc.record({
  priority: fc.nat(2),
  weight: fc.integer({ min: 1, max: 5 }),
  load: fc.nat(5),
  share: fc.oneof(fc.constant(fullShare), fc.integer({ min: 100, max: fullShare })),
})
const members = fc.array(member, { minLength: 1, maxLength: 6 })

/** Members as a pool, sorted as the registry does. */
function built(policy: Policy, items: readonly { priority: number; weight: number }[]): PoolSnapshot {
  const sorted = items.toSorted((a, b) => a.priority - b.priority)
  return pool(
    policy,
    sorted.map(({ priority, weight }, slot) => endpoint(slot, { priority, weight })),
  )
}

for (const policy of policies.filter((each) => each !== 'round-robin')) {
  test(`${policy}: no connection that an endpoint has at one share is taken from it at a larger one`, (t) => {
    const property = fc.property(
      members,
      fc.nat(5),
      fc.integer(),
      fc.integer({ min: 100, max: fullShare }),
      fc.integer({ min: 100, max: fullShare }),
      (items, which, seed, one, other) => {
        const sorted = items.toSorted((a, b) => a.priority - b.priority)
        const endpoints = built(policy, items)
        const slot = which % sorted.length
        const chosen = (own: number, client: Uint8Array, number: number) => {
          const words = sorted.map(({ share }, at) => shareBits(at === slot ? own : share))
          // The same reserve and the same draws of the policy, whether the first tier has a slow start or not.
          const reserve = seeded(seed + number)()
          const later = seeded(seed - number)
          let first = words.some((word, at) => word !== 0 && sorted[at]?.priority === sorted[0]?.priority)
          const random = () => {
            const value = first ? reserve : later()
            first = false
            return value
          }
          const load = (at: number) => sorted[at]?.load ?? 0
          const context = pickContext({ health: (at) => words[at] ?? 0, load, random, client })
          return candidates(endpoints, context).next()?.slot
        }
        // Whoever becomes the one that shares are measured by takes others out of the draw, and p2c draws anew.
        const others = sorted.filter((_, at) => at !== slot)
        const most = others.length === 0 ? fullShare : Math.max(...others.map(({ share }) => share))
        const [small, large] = [Math.min(one, other, most), Math.min(Math.max(one, other), most)]
        return clients.slice(0, 20).every((client, number) => {
          return chosen(small, client, number) !== slot || chosen(large, client, number) === slot
        })
      },
    )
    fc.assert(property, { numRuns: 100 })
    t.pass()
  })
}

for (const policy of policies) {
  test(`${policy}: whatever the shares, each endpoint that is up is offered once, and no other`, (t) => {
    const someone = fc.record({
      ...{ priority: fc.nat(2), weight: fc.integer({ min: 1, max: 5 }) },
      word: fc.nat(7),
    })
    fc.assert(
      fc.property(fc.array(fc.tuple(someone, member), { maxLength: 10 }), fc.integer(), (items, seed) => {
        const sorted = items.toSorted(([a], [b]) => a.priority - b.priority)
        const endpoints = sorted.map(([{ priority, weight }], slot) => endpoint(slot, { priority, weight }))
        const words = sorted.map(([{ word }, { share }]) =>
          word === 0 || word > 4 ? shareBits(share) : word,
        )
        const context = pickContext({ health: (slot) => words[slot] ?? 0, random: seeded(seed) })
        const order = candidates(pool(policy, endpoints), context)
        const offered: number[] = []
        for (let next = order.next(); next !== undefined; next = order.next()) offered.push(next.slot)
        const up = words.flatMap((word, slot) => ((word & 7) === 0 ? [slot] : []))
        if (up.length === 0) return
        t.deepEqual(
          offered.toSorted((a, b) => a - b),
          up,
        )
        t.false(order.panic)
      }),
    )
  })

  test(`${policy}: when all that are up begin at the same moment, the first tier gets every connection`, (t) => {
    const tiers = [endpoint(0), endpoint(1, { priority: 1 }), endpoint(2, { priority: 1 })]
    t.deepEqual(tally(3, picks(policy, tiers, [100, 100, 100])), [clients.length, 0, 0])
  })
}

test('source-hash: a client moves to the endpoint that came back once, and those of other endpoints never move', (t) => {
  const endpoints = weighted(1, 1, 1)
  const away = picks('source-hash', endpoints.slice(1), [])
  const back = picks('source-hash', endpoints, [])
  const steps = ramp.map((share) => picks('source-hash', endpoints, [share]))
  for (const i of clients.keys()) {
    const path = [away[i], ...steps.map((step) => step[i])].map((picked) => picked?.id)
    const moves = path.filter((id, at) => at > 0 && id !== path[at - 1])
    if (back[i] !== endpoints[0]) t.is(moves.length, 0)
    else t.deepEqual(moves, [endpoints[0]?.id])
  }
})

test('an endpoint in slow start that is passed over is still the next one when the others fail', (t) => {
  const order = candidates(
    pool('p2c', [endpoint(0), endpoint(1, { priority: 1 })]),
    pickContext({ health: (slot) => (slot === 0 ? shareBits(100) : 0), random: () => 0.5 }),
  )
  t.deepEqual([order.next()?.slot, order.next()?.slot, order.next()], [1, 0, undefined])
})

test('an endpoint that is full does not keep one in slow start from being offered', (t) => {
  const order = candidates(
    pool('p2c', [endpoint(0), endpoint(1, { maxConnections: 1 })]),
    pickContext({ health: (slot) => (slot === 0 ? shareBits(100) : 0), load: () => 1, random: () => 0.99 }),
  )
  t.is(order.next()?.slot, 0)
})

test('an endpoint in slow start is up: the down ones are not tried beside it', (t) => {
  const words = [shareBits(100), healthBit.down]
  const order = candidates(
    pool('p2c', [endpoint(0), endpoint(1)]),
    pickContext({ health: (slot) => words[slot] ?? 0 }),
  )
  t.is(order.next()?.slot, 0)
  t.is(order.next(), undefined)
  t.false(order.panic)
})
