import test from 'ava'
import { type Candidates, candidates } from '../../src/core/candidates.ts'
import { healthBit } from '../../src/core/tally.ts'
import { address, endpoint, pickContext, pool } from './balance-fixture.ts'

const policies = ['p2c', 'round-robin', 'least-connections', 'source-hash'] as const
/** Slots 0 and 2 are IPv4, 1 is IPv6, 3 a UNIX socket. */
const mixed = [
  endpoint(0),
  endpoint(1, { address: address('fd00::1', 80) }),
  endpoint(2),
  endpoint(3, { address: { family: 'unix', path: '@gateway' } }),
]
const v4 = Uint8Array.of(192, 0, 2, 1)
const v6 = address('2001:db8::1', 0).bytes

function slots(order: Candidates): number[] {
  const all: number[] = []
  for (let next = order.next(); next !== undefined; next = order.next()) all.push(next.slot)
  return all.sort()
}

for (const policy of policies) {
  test(`${policy}: of a transparent pool, a client gets the endpoints of its own family`, (t) => {
    const transparent = { ...pool(policy, mixed), transparent: true }
    t.deepEqual(slots(candidates(transparent, pickContext({ client: v4 }))), [0, 2])
    t.deepEqual(slots(candidates(transparent, pickContext({ client: v6 }))), [1])
    t.deepEqual(slots(candidates(pool(policy, mixed), pickContext({ client: v4 }))), [0, 1, 2, 3])
  })
}

test('a client that no endpoint is for is foreign, and one whose endpoints are all down or full is not', (t) => {
  const only6 = { ...pool('p2c', mixed.slice(1, 2)), transparent: true }
  const order = candidates(only6, pickContext({ client: v4 }))
  t.is(order.next(), undefined)
  t.true(order.foreign)
  t.false(order.panic)
  const down = candidates(
    { ...only6, panic: false },
    pickContext({ client: v6, health: () => healthBit.down }),
  )
  t.is(down.next(), undefined)
  t.false(down.foreign)
  t.false(
    candidates({ ...only6, endpoints: [] }, pickContext({ client: v4 })).foreign,
    'some may be found yet',
  )
  t.false(candidates(pool('p2c', mixed), pickContext({ client: v4 })).foreign)
})

test('panic looks at the endpoints that the client could have, and at no other', (t) => {
  const health = (slot: number) => (slot === 1 ? 0 : healthBit.down)
  const order = candidates({ ...pool('p2c', mixed), transparent: true }, pickContext({ client: v4, health }))
  t.true([0, 2].includes(order.next()?.slot ?? -1), 'that the IPv6 one is up does not help this client')
  t.true(order.panic)
})

test('an address that bind() would take for any of this host has no endpoint', (t) => {
  const transparent = { ...pool('p2c', mixed), transparent: true }
  for (const nobody of ['0.0.0.0', '224.0.0.1', '255.255.255.255', '::', 'ff02::1']) {
    const { bytes } = address(nobody, 0)
    t.true(candidates(transparent, pickContext({ client: bytes })).foreign, nobody)
  }
  for (const somebody of ['127.0.0.1', '240.0.0.1', '169.254.0.1', 'fe80::1']) {
    const { bytes } = address(somebody, 0)
    t.false(candidates(transparent, pickContext({ client: bytes })).foreign, somebody)
  }
})
