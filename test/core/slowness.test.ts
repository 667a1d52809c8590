import test from 'ava'
import { isWorthALook, lookOf, slowOf } from '../../src/core/slowness.ts'
import type { TcpView } from '../../src/core/tcp-view.ts'

const calm: TcpView = {
  rttMs: 1,
  minRttMs: 1,
  retransmits: 0,
  outOfOrder: 0,
  deliveryRate: 0,
  busyMs: 10,
  peerWindowMs: 0,
  sendBufferMs: 0,
  unacknowledgedBytes: 0,
  unreadBytes: 0,
  heardMs: 0,
  toldMs: 0,
  unanswered: 0,
}

/** Each with what it shows. */
const cases: readonly [
  string,
  Partial<TcpView>,
  Partial<TcpView>,
  number,
  number,
  ReturnType<typeof slowOf>,
][] = [
  ['nothing took long', {}, {}, 20, 1, null],
  ['the window of the client was closed', { busyMs: 1_680, peerWindowMs: 1_564 }, {}, 1_700, 1, 'client'],
  ['the window of the gateway was closed', {}, { busyMs: 1_680, peerWindowMs: 1_564 }, 0, 1, 'gateway'],
  ['the gateway took long for its answer', {}, {}, 1_500, 1, 'gateway'],
  ['many answers, each of them quick', {}, {}, 1_500, 300, null],
  ['many answers, each of them slow', {}, {}, 45_000, 300, 'gateway'],
  ['bytes had to be sent again to the client', { busyMs: 900, retransmits: 4 }, {}, 950, 1, 'network'],
  ['bytes had to be sent again to the gateway', {}, { busyMs: 900, retransmits: 4 }, 950, 1, 'network'],
  ['a long transfer without loss', { busyMs: 9_000 }, {}, 9_000, 1, null],
  [
    'a closed window and some loss',
    { busyMs: 2_000, peerWindowMs: 1_500, retransmits: 2 },
    {},
    2_000,
    1,
    'client',
  ],
]
for (const [what, client, endpoint, gatewayMs, turns, slow] of cases) {
  test(`${what}: ${slow}`, (t) => {
    const tcp = { client: { ...calm, ...client }, endpoint: { ...calm, ...endpoint } }
    t.is(slowOf({ gatewayMs, turns, tcp }), slow)
  })
}

test('where the kernel cannot be asked nobody is blamed', (t) => {
  const look = lookOf({ gatewayMs: 5_000, turns: 1, tcp: { client: null, endpoint: calm } })
  t.is(look.slow, null)
  t.deepEqual(look.rttMs, { client: null, endpoint: 1 })
})

test('short, little and clean is not worth a look; anything else is', (t) => {
  t.false(isWorthALook(1_000, 65_536, true))
  t.true(isWorthALook(1_001, 0, true))
  t.true(isWorthALook(0, 65_537, true))
  t.true(isWorthALook(0, 0, false))
})
