import test from 'ava'
import fc from 'fast-check'
import { sourceHash } from '../../src/core/balance/source-hash.ts'
import type { EndpointSnapshot } from '../../src/core/snapshot.ts'
import { chiSquare, clients, endpoint, id, seeded, tally } from './balance-fixture.ts'

function choices(endpoints: readonly EndpointSnapshot[]): (EndpointSnapshot | undefined)[] {
  return clients.map((client) => sourceHash(endpoints, client))
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)
}

const ten = Array.from({ length: 10 }, (_, slot) => endpoint(slot))

test('when one of ten departs, its clients move and nobody else', (t) => {
  const before = choices(ten)
  for (const gone of ten) {
    const after = choices(ten.filter((each) => each !== gone))
    const moved = clients.filter((_, i) => before[i] !== after[i])
    const own = clients.filter((_, i) => before[i] === gone)
    t.deepEqual(moved, own)
    t.true(moved.length > 0 && moved.length <= (1.5 * clients.length) / ten.length, `${moved.length} moved`)
  }
})

test('in pools of any size and weights, a departure moves its own clients only, and at most half as many more as its share', (t) => {
  const weights = fc.array(fc.integer({ min: 1, max: 10 }), { minLength: 2, maxLength: 16 })
  fc.assert(
    fc.property(weights, fc.nat(), fc.nat(255), (list, which, network) => {
      const endpoints = list.map((weight, slot) => {
        return endpoint(slot, { weight, id: id(`10.${network}.0.${slot}:80`) })
      })
      const gone = endpoints[which % list.length]
      const left = endpoints.filter((each) => each !== gone)
      const moved = clients.filter((client) => {
        const before = sourceHash(endpoints, client)
        const stays = sourceHash(left, client) === before
        if (stays === (before === gone))
          throw new Error('a client moved that need not, or stayed that must not')
        return !stays
      })
      const share = (gone?.weight ?? 0) / list.reduce((sum, weight) => sum + weight, 0)
      // Five standard deviations of a fair hash: what small shares need beside the half.
      const spread = 5 * Math.sqrt(clients.length * share * (1 - share))
      const most = Math.max(1.5 * clients.length * share, clients.length * share + spread)
      return moved.length <= most
    }),
    { numRuns: 30 },
  )
  t.pass()
})

test('when one joins ten, clients move only to it, and about an eleventh of them', (t) => {
  const before = choices(ten)
  const joined = endpoint(10)
  const after = choices([...ten, joined])
  const moved = after.filter((picked, i) => picked !== before[i])
  t.true(moved.every((picked) => picked === joined))
  t.true(moved.length > (0.5 * clients.length) / 11 && moved.length < (1.5 * clients.length) / 11)
})

test('clients of one network are shared out by weight', (t) => {
  const weights = [1, 2, 3, 4, 10]
  const endpoints = weights.map((weight, slot) => endpoint(slot, { weight }))
  const counts = tally(5, choices(endpoints))
  // 4 degrees of freedom: exceeded once in 100,000 runs of a fair hash.
  t.true(chiSquare(counts, weights) < 28.5, `${counts}`)
})

test('IPv6 clients of one network are shared out evenly', (t) => {
  const counts = tally(
    10,
    clients.map((_, i) =>
      sourceHash(ten, Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, i >> 8, i & 0xff)),
    ),
  )
  // 9 degrees of freedom.
  t.true(chiSquare(counts, new Array<number>(10).fill(1)) < 39.4, `${counts}`)
})

test('the clients of a departed endpoint are shared out among the others evenly', (t) => {
  const [gone] = ten
  const left = ten.slice(1)
  const own = clients.filter((client) => sourceHash(ten, client) === gone)
  const counts = tally(
    10,
    own.map((client) => sourceHash(left, client)),
  ).slice(1)
  // 8 degrees of freedom.
  t.true(chiSquare(counts, new Array<number>(9).fill(1)) < 37.3, `${counts}`)
})

test('a raised weight only attracts clients, it moves none between the others', (t) => {
  const before = choices(ten)
  const heavier = ten.map((each) => (each.slot === 3 ? { ...each, weight: 2 } : each))
  const after = choices(heavier)
  t.true(after.every((picked, i) => picked === heavier[3] || picked?.id === before[i]?.id))
})

test('the choice does not depend on the order of the list, the slot or the object', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 4, maxLength: 16 }), fc.integer(), (client, seed) => {
      const elsewhere = shuffled(ten, seeded(seed)).map((each, i) => ({ ...each, slot: 100 + i }))
      return sourceHash(ten, client)?.id === sourceHash(elsewhere, client)?.id
    }),
  )
  t.pass()
})

test('the choice is the same in every process and version', (t) => {
  const chosen = [1, 2, 3, 4, 5, 6, 7, 8].map((last) => sourceHash(ten, Uint8Array.of(192, 0, 2, last))?.slot)
  t.deepEqual(chosen, [5, 8, 9, 7, 8, 5, 5, 0])
})

test('no endpoint gives undefined', (t) => {
  t.is(sourceHash([], Uint8Array.of(192, 0, 2, 1)), undefined)
})
