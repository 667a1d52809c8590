import test from 'ava'
import type { PoolConfig } from '../../../src/config/config.ts'
import type { Parting } from '../../../src/control/registry/endpoint-record.ts'
import { Registry } from '../../../src/control/registry/registry.ts'
import type { Verdict } from '../../../src/core/health.ts'
import type { EndpointId } from '../../../src/core/snapshot.ts'
import { add, endpointCell, endpointField, healthBit, Tally } from '../../../src/core/tally.ts'
import type { ResolvedPool } from '../../../src/discovery/resolved-pool.ts'
import { bad, FakeClock, good, RecordedLog, resolvedPool } from '../fixture.ts'

const a = '10.0.0.5:9443' as EndpointId
const b = '10.0.0.6:9443' as EndpointId
const c = '10.0.0.7:9443' as EndpointId
const three = ['10.0.0.5', '10.0.0.6', '10.0.0.7']

/** A pool of three that has been up for a while, with ten connections to each endpoint. */
function scene(changes: Partial<PoolConfig>, ips: readonly string[] = three) {
  const tally = new Tally(1)
  const clock = new FakeClock()
  const log = new RecordedLog()
  const told: string[] = []
  const revived: string[] = []
  const names = new Map<number, string>()
  const registry = new Registry({
    tally,
    log,
    nowMs: clock.nowMs,
    random: () => 0,
    after: clock.after,
    applyParting(slots: readonly number[], { kind }: Parting) {
      told.push(...slots.map((slot) => `${kind} ${names.get(slot) ?? '?'}`))
    },
    revived: (pool) => void revived.push(pool),
    doubt() {},
  })
  const update = (...pools: ResolvedPool[]) => {
    registry.update(pools)
    for (const { endpoint, slot } of registry.endpoints()) names.set(slot, endpoint)
  }
  const pool = (addresses: readonly string[], other: Partial<PoolConfig> = changes) =>
    resolvedPool(addresses, other)
  update(pool(ips))
  const slot = (id: EndpointId) => registry.endpoints().find(({ endpoint }) => endpoint === id)?.slot ?? -1
  /** A round of probes, one after the other, a second apart. */
  const round = (verdicts: Partial<Record<'a' | 'b' | 'c', Verdict>>) => {
    const { a: ofA, b: ofB, c: ofC } = verdicts
    for (const [id, verdict] of [
      [a, ofA],
      [b, ofB],
      [c, ofC],
    ] as const) {
      clock.advance(600)
      if (verdict !== undefined) registry.verdict('web', id, verdict)
    }
  }
  round({ a: good, b: good, c: good })
  for (const { slot } of registry.endpoints())
    add(tally.row(1), endpointCell(slot) + endpointField.active, 10)
  log.take()
  return {
    registry,
    update,
    pool,
    round,
    log,
    revived,
    released: (id: EndpointId) => (tally.health(slot(id)) & healthBit.released) !== 0,
    /** What was told since the last call. */
    take: () => told.splice(0),
  }
}

for (const onDown of ['reset', 'close'] as const) {
  test(`onDown: ${onDown}: an endpoint that falls while others answer loses its connections as it falls`, (t) => {
    const { round, take, released, log } = scene({ onDown })
    round({ a: bad, b: good, c: good })
    round({ a: bad, b: good, c: good })
    t.deepEqual(take(), [])
    t.false(released(a))
    round({ a: bad, b: good, c: good })
    t.deepEqual(take(), [`${onDown} ${a}`])
    t.true(released(a))
    t.false(released(b))
    const how = onDown === 'reset' ? 'reset' : 'closed'
    t.deepEqual(log.take().slice(1), [`warn pool web: ${a} is down: connections to it (10) are ${how}`])
    round({ a: bad, b: bad, c: good })
    t.deepEqual(take(), [], 'one blip of another one changes nothing')
    round({ a: good, b: good, c: good })
    t.deepEqual(take(), [])
    round({ a: good, b: good, c: good })
    t.deepEqual(take(), [`keep ${a}`], 'what is left of them stays')
    t.false(released(a))
  })

  test(`onDown: ${onDown}: a probe that breaks for all cuts nothing, and nothing when it is mended`, (t) => {
    const { round, take, released, registry } = scene({ onDown })
    for (let i = 0; i < 6; i++) round({ a: bad, b: bad, c: bad })
    t.is(registry.usable('web'), 0)
    for (let i = 0; i < 3; i++) round({ a: good, b: good, c: good })
    t.is(registry.usable('web'), 3)
    t.deepEqual(take(), [])
    t.false(released(a))
  })

  test(`onDown: ${onDown}: who is down when the pool comes out of panic loses its connections at its next bad probe`, (t) => {
    const { round, take, released } = scene({ onDown })
    for (let i = 0; i < 6; i++) round({ a: bad, b: bad, c: bad })
    round({ b: good })
    round({ b: good })
    t.deepEqual(take(), [])
    round({ a: bad, c: good })
    t.deepEqual(take(), [`${onDown} ${a}`])
    round({ c: good })
    t.deepEqual(take(), [])
    t.false(released(c))
  })

  test(`onDown: ${onDown}: when the last one falls too, all are tried, and what is left to close stays`, (t) => {
    const { round, take, released, registry } = scene({ onDown }, three.slice(0, 2))
    for (let i = 0; i < 3; i++) round({ a: bad, b: good })
    t.deepEqual(take(), [`${onDown} ${a}`])
    for (let i = 0; i < 3; i++) round({ b: bad })
    t.true(registry.status()[0]?.panic)
    t.deepEqual(take(), [`keep ${a}`])
    t.false(released(a))
    t.false(released(b))
  })

  test(`onDown: ${onDown}: the only endpoint of a pool keeps its connections`, (t) => {
    const { round, take } = scene({ onDown }, three.slice(0, 1))
    for (let i = 0; i < 5; i++) round({ a: bad })
    t.deepEqual(take(), [])
  })

  test(`onDown: ${onDown} with fall: 1: not before another endpoint has answered between two failures`, (t) => {
    const health = {
      probe: { kind: 'tcp', port: null, close: 'fin' },
      intervalMs: 2000,
      fastIntervalMs: 2000,
      timeoutMs: 1000,
      fall: 1,
      rise: 1,
    } as const
    const { round, take } = scene({ onDown, health })
    round({ a: bad })
    t.deepEqual(take(), [])
    round({ b: good, c: good })
    t.deepEqual(take(), [])
    round({ a: bad })
    t.deepEqual(take(), [`${onDown} ${a}`])
  })

  test(`onDown: ${onDown} with panic: off: the probe is believed, and the last one falls like the first`, (t) => {
    const { round, take, log, registry, revived, released } = scene({ onDown, panic: false })
    for (let i = 0; i < 3; i++) round({ a: bad, b: bad, c: bad })
    t.deepEqual(take(), [`${onDown} ${a}`, `${onDown} ${b}`, `${onDown} ${c}`])
    t.like(registry.status()[0], { panic: false, waiting: true })
    const falls = log.take().filter((line) => /is down: tcp/.test(line))
    t.regex(falls[2] ?? '', /^warn .*; no endpoint up: clients wait \(panic is off\)$/)
    t.deepEqual(revived, [])
    round({ b: good })
    round({ b: good })
    t.deepEqual(take(), [`keep ${b}`])
    t.false(released(b))
    t.true(released(a))
    t.deepEqual(revived, ['web'])
    t.regex(log.take().join(), /10.0.0.6:9443 is up: .*; 1 of 3 endpoints up, clients wait no longer/)
    t.like(registry.status()[0], { panic: false, waiting: false })
  })
}

test('onDown: keep keeps connections, whoever is down', (t) => {
  const { round, take, released } = scene({})
  for (let i = 0; i < 5; i++) round({ a: bad, b: good, c: good })
  t.deepEqual(take(), [])
  t.false(released(a))
})

test('an ejected endpoint is not down', (t) => {
  const { registry, take } = scene({ onDown: 'reset' })
  const slot = registry.endpoints()[0]?.slot ?? -1
  const error = { reason: 'refused', code: 'ECONNREFUSED' } as const
  for (let i = 0; i < 5; i++) registry.attempt({ slot, ms: 1, error })
  t.is(registry.status()[0]?.endpoints[0]?.state, 'ejected')
  t.deepEqual(take(), [])
})

test('a reload that says onDown: reset finds who is down already', (t) => {
  const { round, take, update, pool } = scene({})
  for (let i = 0; i < 5; i++) round({ a: bad, b: good, c: good })
  update(pool(three, { onDown: 'reset' }))
  t.deepEqual(take(), [`reset ${a}`])
  update(pool(three, { onDown: 'keep' }))
  t.deepEqual(take(), [`keep ${a}`])
})

test('a reload that ends probing keeps what is left', (t) => {
  const { round, take, update, pool, released } = scene({ onDown: 'close' })
  for (let i = 0; i < 3; i++) round({ a: bad, b: good, c: good })
  t.deepEqual(take(), [`close ${a}`])
  const health = {
    probe: { kind: 'off' },
    intervalMs: 2000,
    fastIntervalMs: 2000,
    timeoutMs: 1000,
    fall: 3,
    rise: 2,
  } as const
  update(pool(three, { onDown: 'close', health }))
  t.deepEqual(take(), [`keep ${a}`])
  t.false(released(a))
})

test('onRemoval: close: who is drained and ready again keeps what is left', (t) => {
  const { registry, take, released } = scene({ onRemoval: 'close' })
  registry.drain('web', a)
  t.deepEqual(take(), [`close ${a}`])
  t.true(released(a))
  registry.ready('web', a)
  t.deepEqual(take(), [`keep ${a}`])
  t.false(released(a))
})

test('onRemoval: close: who leaves loses its connections, who comes back keeps what is left', (t) => {
  const { update, pool, take } = scene({ onRemoval: 'close' })
  update(pool(three.slice(1)))
  t.deepEqual(take(), [`close ${a}`])
  update(pool(three.slice(1)))
  t.deepEqual(take(), [])
  update(pool(three))
  t.deepEqual(take(), [`keep ${a}`])
})

test('onRemoval: close: the endpoints of a pool that is removed have left it', (t) => {
  const { update, pool, take } = scene({ onRemoval: 'close' })
  update()
  t.deepEqual(take(), [`close ${a}`, `close ${b}`, `close ${c}`])
  update(pool(three))
  t.deepEqual(take(), [`keep ${a}`, `keep ${b}`, `keep ${c}`])
})

test('onRemoval: keep: who leaves keeps its connections', (t) => {
  const { update, pool, take, released } = scene({})
  update(pool(three.slice(1)))
  update()
  t.deepEqual(take(), [])
  t.false(released(a))
})
