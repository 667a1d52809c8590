import test from 'ava'
import type { PoolConfig } from '../../../src/config/config.ts'
import type { Parting } from '../../../src/control/registry/endpoint-record.ts'
import { Registry } from '../../../src/control/registry/registry.ts'
import type { AttemptError } from '../../../src/core/outcome.ts'
import { shareOf } from '../../../src/core/slow-start.ts'
import type { EndpointId } from '../../../src/core/snapshot.ts'
import { add, endpointCell, endpointField, healthBit, Tally } from '../../../src/core/tally.ts'
import type { ResolvedPool } from '../../../src/discovery/resolved-pool.ts'
import { bad, FakeClock, good, poolConfig, RecordedLog, resolvedEndpoint } from '../fixture.ts'

const a = '10.0.0.5:9443' as EndpointId
const b = '10.0.0.6:9443' as EndpointId
const c = '10.0.0.7:9443' as EndpointId
const refused: AttemptError = { reason: 'refused', code: 'ECONNREFUSED' }
const lengthMs = 30_000

/** Endpoints `10.0.0.N` by priority: tiers(['5', '6'], ['7']) is a and b before c. */
function tiers(changes: Partial<PoolConfig>, ...hosts: readonly (readonly string[])[]): ResolvedPool {
  const endpoints = hosts.flatMap((tier, priority) =>
    tier.map((host) => resolvedEndpoint(`10.0.0.${host}`, 9443, priority)),
  )
  return { config: poolConfig({ slowStartMs: lengthMs, ...changes }), endpoints, unresolved: [] }
}

function bench(pool: ResolvedPool) {
  const tally = new Tally(1)
  const clock = new FakeClock()
  const log = new RecordedLog()
  /** As far as there were connections. */
  const applyParting: { readonly slots: readonly number[]; readonly kind: Parting['kind'] }[] = []
  const registry = new Registry({
    tally,
    log,
    nowMs: clock.nowMs,
    after: clock.after,
    random: () => 0,
    applyParting(slots, { kind }) {
      if (slots.some((slot) => tally.load(slot) > 0)) applyParting.push({ slots, kind })
    },
    revived() {},
    doubt() {},
  })
  registry.update([pool])
  const slot = (id: EndpointId) => registry.endpoints().find(({ endpoint }) => endpoint === id)?.slot ?? -1
  return {
    tally,
    clock,
    log,
    applyParting,
    registry,
    slot,
    word: (id: EndpointId) => tally.health(slot(id)),
    share: (id: EndpointId) => shareOf(tally.health(slot(id))),
    down: (id: EndpointId) => [bad, bad, bad].map((verdict) => registry.verdict('web', id, verdict)),
    up: (id: EndpointId) => [good, good].map((verdict) => registry.verdict('web', id, verdict)),
    eject: (id: EndpointId) =>
      [1, 2, 3, 4, 5].map(() => registry.attempt({ slot: slot(id), ms: 1, error: refused })),
    connect: (id: EndpointId, count: number) =>
      add(tally.row(1), endpointCell(slot(id)) + endpointField.active, count),
  }
}

test('at process start nobody is in slow start, not after the first probes either', (t) => {
  const { clock, registry, word } = bench(tiers({}, ['5', '6']))
  registry.verdict('web', a, good)
  registry.verdict('web', b, good)
  t.deepEqual([word(a), word(b)], [0, 0])
  t.is(clock.pending, 0)
})

test('an endpoint that probes bring back grows from a tenth to its full share, and then nothing ticks', (t) => {
  const { clock, share, down, up, word } = bench(tiers({}, ['5', '6']))
  down(a)
  t.is(word(a), healthBit.down)
  up(a)
  const seen = [share(a)]
  for (let i = 0; i < 10; i++) {
    clock.advance(lengthMs / 10)
    seen.push(share(a))
  }
  t.deepEqual(seen, [100, 190, 280, 370, 460, 550, 640, 730, 820, 910, 1000])
  t.is(word(a), 0)
  t.is(word(b), 0)
  t.is(clock.pending, 0)
})

test('an endpoint whose ejection is over is in slow start', (t) => {
  const { clock, share, eject, word } = bench(tiers({}, ['5', '6', '7']))
  eject(a)
  t.is(word(a), healthBit.ejected)
  clock.advance(30_000)
  t.is(share(a), 100)
  clock.advance(lengthMs)
  t.is(word(a), 0)
})

test('an endpoint that goes down in its slow start begins another one when it is up again', (t) => {
  const { clock, share, down, up, word } = bench(tiers({}, ['5', '6']))
  down(a)
  up(a)
  clock.advance(20_000)
  t.is(share(a), 700)
  down(a)
  t.is(word(a), healthBit.down)
  t.is(clock.pending, 1, 'the step under way, which is the last')
  clock.advance(100)
  t.is(clock.pending, 0)
  up(a)
  t.is(share(a), 100)
})

test('an endpoint that joins a pool is in slow start; those that were there are not', (t) => {
  const { registry, share } = bench(tiers({}, ['5']))
  registry.update([tiers({}, ['5', '6'])])
  t.deepEqual([share(a), share(b)], [1000, 100])
})

test('the endpoints of a pool that a reload adds are not in slow start', (t) => {
  const { registry, word, clock } = bench(tiers({ name: 'other' }, ['5']))
  registry.update([tiers({ name: 'other' }, ['5']), tiers({}, ['6'])])
  t.is(word(b), 0)
  t.is(clock.pending, 0)
})

test('an endpoint that left and comes back is in slow start, from its beginning', (t) => {
  const { registry, share, clock } = bench(tiers({}, ['5', '6']))
  registry.update([tiers({}, ['5'])])
  clock.advance(5000)
  registry.update([tiers({}, ['5', '6'])])
  clock.advance(15_000)
  t.is(share(b), 550)
  registry.update([tiers({}, ['5'])])
  t.is(share(b), 1000)
  registry.update([tiers({}, ['5', '6'])])
  t.is(share(b), 100)
})

test('an endpoint that joins and is down is in slow start when it is up', (t) => {
  const { registry, share, up, word } = bench(tiers({}, ['5']))
  registry.update([tiers({}, ['5', '6'])])
  registry.verdict('web', b, bad)
  t.is(word(b), healthBit.down)
  up(b)
  t.is(share(b), 100)
})

test('slowStart: 0 gives the full share at once, also to those who wait for it when a reload says so', (t) => {
  const { registry, share, down, up, clock, word } = bench(tiers({}, ['5', '6']))
  down(a)
  up(a)
  t.is(share(a), 100)
  registry.update([tiers({ slowStartMs: 0 }, ['5', '6'])])
  clock.advance(100)
  t.is(word(a), 0)
  down(b)
  up(b)
  t.is(word(b), 0)
  t.is(clock.pending, 0)
})

test('an endpoint in slow start is usable, and status and metrics say how far it has come', (t) => {
  const { registry, clock, down, up } = bench(tiers({}, ['5', '6']))
  down(a)
  t.is(registry.status()[0]?.endpoints[0]?.share, 0)
  up(a)
  clock.advance(8000)
  t.is(registry.usable('web'), 2)
  t.like(registry.status()[0]?.endpoints[0], {
    share: 0.34,
    state: 'up',
    reason: 'slow start, 34 % of its share; tcp: connected in 1.0 ms',
  })
  t.deepEqual(
    registry.endpoints().map(({ now }) => ({ up: now?.up, share: now?.share })),
    [
      { up: true, share: 0.34 },
      { up: true, share: 1 },
    ],
  )
})

test('draining hides a slow start and does not stop it', (t) => {
  const { registry, clock, down, up, word, share } = bench(tiers({}, ['5', '6']))
  down(a)
  up(a)
  registry.drain('web', a)
  t.is(word(a) & healthBit.draining, healthBit.draining)
  t.is(registry.status()[0]?.endpoints[0]?.share, 0)
  clock.advance(15_000)
  registry.ready('web', a)
  t.is(share(a), 550)
})

test('a stopped registry leaves no slow start ticking', (t) => {
  const { registry, clock, down, up } = bench(tiers({}, ['5', '6']))
  down(a)
  up(a)
  registry.stop()
  t.is(clock.pending, 0)
})

test('onFailback: close lets go of worse tiers when a better one has its full share, once and in one line', (t) => {
  const { clock, down, up, connect, applyParting, log, slot } = bench(
    tiers({ onFailback: 'close' }, ['5', '6'], ['7']),
  )
  down(a)
  down(b)
  connect(c, 12)
  up(a)
  clock.advance(lengthMs - 100)
  t.deepEqual(applyParting, [])
  log.take()
  clock.advance(100)
  t.deepEqual(applyParting, [{ slots: [slot(c)], kind: 'failback' }])
  t.deepEqual(log.take(), [
    'info pool web: priority 0 is in charge again: connections to later tiers (12) are closed as they fall silent',
  ])
  up(b)
  clock.advance(lengthMs)
  t.is(applyParting.length, 1, 'the tier has taken over already')
})

test('onFailback: close lets go at once without slow start', (t) => {
  const { down, up, connect, applyParting, slot } = bench(
    tiers({ onFailback: 'close', slowStartMs: 0 }, ['5'], ['6'], ['7']),
  )
  down(a)
  down(b)
  connect(c, 1)
  up(b)
  t.deepEqual(applyParting, [{ slots: [slot(c)], kind: 'failback' }])
  up(a)
  t.deepEqual(applyParting[1], { slots: [slot(b), slot(c)], kind: 'failback' })
})

test('onFailback: close has nothing to say when worse tiers have no connections', (t) => {
  const { down, up, applyParting, log } = bench(tiers({ onFailback: 'close', slowStartMs: 0 }, ['5'], ['6']))
  down(a)
  log.take()
  up(a)
  t.deepEqual(applyParting, [])
  t.is(log.take().length, 1)
})

test('an endpoint that is ready again takes its connections back from worse tiers', (t) => {
  const { registry, connect, applyParting, slot } = bench(tiers({ onFailback: 'close' }, ['5'], ['6']))
  registry.drain('web', a)
  connect(b, 3)
  registry.ready('web', a)
  t.deepEqual(applyParting, [{ slots: [slot(b)], kind: 'failback' }])
})

test('a better tier that joins takes over after its slow start', (t) => {
  const { registry, connect, applyParting, slot, clock, up } = bench(
    tiers({ onFailback: 'close' }, [], ['6']),
  )
  connect(b, 3)
  registry.update([tiers({ onFailback: 'close' }, ['5'], ['6'])])
  up(a)
  t.deepEqual(applyParting, [])
  clock.advance(lengthMs)
  t.deepEqual(applyParting, [{ slots: [slot(b)], kind: 'failback' }])
})

test('onFailback: keep lets go of nothing', (t) => {
  const { down, up, connect, applyParting } = bench(tiers({ slowStartMs: 0 }, ['5'], ['6']))
  down(a)
  connect(b, 3)
  up(a)
  t.deepEqual(applyParting, [])
})

test('draining lets go of all connections of an endpoint in a pool with onRemoval: close, and once', (t) => {
  const { registry, connect, applyParting, slot } = bench(tiers({ onRemoval: 'close' }, ['5', '6']))
  connect(a, 1)
  registry.drain('web', a)
  registry.drain('web', a)
  t.deepEqual(applyParting, [{ slots: [slot(a)], kind: 'close' }])
})

test('draining keeps the connections of a pool with onRemoval: keep', (t) => {
  const { registry, connect, applyParting } = bench(tiers({}, ['5', '6']))
  connect(a, 1)
  registry.drain('web', a)
  t.deepEqual(applyParting, [])
})
