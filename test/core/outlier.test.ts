import test from 'ava'
import fc from 'fast-check'
import { dialFailures } from '../../src/core/outcome.ts'
import {
  blameless,
  blames,
  connected,
  cutOff,
  type EjectionRule,
  failed,
  maxEjected,
  type Outlier,
  probedOutlier,
  returned,
} from '../../src/core/outlier.ts'

const rule: EjectionRule = { consecutiveFailures: 5, baseEjectionMs: 30_000, maxEjectionMs: 300_000 }
const code = 'ECONNREFUSED'

/** Fails until the endpoint is ejected, without jitter. */
function eject(state: Outlier, nowMs: number, limits = rule, random = 0): Outlier & { kind: 'ejected' } {
  let next = state
  for (let i = 0; i < limits.consecutiveFailures; i++) next = failed(next, code, limits, true, random, nowMs)
  if (next.kind !== 'ejected') throw new Error('not ejected')
  return next
}

test('the fifth failure in a row ejects, the fourth does not', (t) => {
  let state = blameless(0)
  for (let i = 0; i < 4; i++) state = failed(state, code, rule, true, 0, 10)
  t.is(state.kind, 'in')
  t.deepEqual(failed(state, code, rule, true, 0, 10), {
    kind: 'ejected',
    sinceMs: 10,
    untilMs: 30_010,
    failures: 5,
    ejections: 1,
    by: 'dials',
    reason: code,
    vouched: 0,
  })
})

test('a dial that connects starts the count again', (t) => {
  let state = blameless(0)
  for (let i = 0; i < 4; i++) state = failed(state, code, rule, true, 0, 0)
  state = connected(state)
  for (let i = 0; i < 4; i++) state = failed(state, code, rule, true, 0, 0)
  t.is(state.kind, 'in')
})

test('a dial that connects does not end an ejection: it may be older', (t) => {
  const ejected = eject(blameless(0), 0)
  t.is(connected(ejected), ejected)
})

test('failures during an ejection do not prolong it', (t) => {
  const ejected = eject(blameless(0), 0)
  t.is(failed(ejected, code, rule, true, 0, 29_000), ejected)
})

test('ejections in a row grow by the base and stop at the maximum', (t) => {
  const lengths: number[] = []
  let state = blameless(0)
  let nowMs = 0
  for (let i = 0; i < 12; i++) {
    const ejected = eject(state, nowMs)
    lengths.push((ejected.untilMs - nowMs) / 1000)
    nowMs = ejected.untilMs
    state = returned(ejected, nowMs)
  }
  t.deepEqual(lengths, [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300])
})

test('each whole base time in use takes one ejection off the count', (t) => {
  let state = blameless(0)
  for (let i = 0; i < 4; i++) state = returned(eject(state, 0), 0)
  t.is(eject(state, 29_999).ejections, 5)
  t.is(eject(state, 30_000).ejections, 4)
  t.is(eject(state, 90_000).ejections, 2)
  t.is(eject(state, 120_000).ejections, 1)
  t.is(eject(state, 9_000_000).ejections, 1)
})

test('past the maximum the count stops growing, so that it falls from there', (t) => {
  let state = blameless(0)
  for (let i = 0; i < 50; i++) state = returned(eject(state, 0), 0)
  t.is(eject(state, 9 * 30_000).ejections, 2)
})

test('jitter shortens an ejection by up to a tenth and never prolongs it', (t) => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(20), (random, times) => {
      let state = blameless(0)
      for (let i = 0; i < times; i++) state = returned(eject(state, 0), 0)
      const fullMs = Math.min(300_000, 30_000 * (times + 1))
      const { untilMs } = eject(state, 0, rule, random)
      return untilMs <= fullMs && untilMs >= fullMs * 0.9 - 1
    }),
  )
  t.pass()
})

test('whatever fails and returns, the cap on ejections in a pool holds, and an ejection is never longer than the maximum', (t) => {
  const event = fc.record({
    which: fc.nat(9),
    what: fc.constantFrom('fail', 'connect', 'wait'),
    times: fc.nat(12),
  })
  const limits = {
    consecutiveFailures: fc.integer({ min: 1, max: 6 }),
    random: fc.double({ min: 0, max: 1, noNaN: true }),
  }
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 10 }),
      fc.record(limits),
      fc.array(event, { maxLength: 80 }),
      (size, { consecutiveFailures, random }, events) => {
        const own = { ...rule, consecutiveFailures }
        const states = Array.from({ length: size }, () => blameless(0))
        let nowMs = 0
        const ejected = (): number => states.filter(({ kind }) => kind === 'ejected').length
        for (const { which, what, times } of events) {
          const at = which % size
          if (what === 'wait') nowMs += times * 7_000
          for (const [slot, state] of states.entries()) {
            if (state.kind === 'ejected' && state.untilMs <= nowMs) states[slot] = returned(state, nowMs)
          }
          for (let i = 0; i < times && what !== 'wait'; i++) {
            const state = states[at] ?? blameless(0)
            const room = ejected() < maxEjected(size)
            const next = what === 'connect' ? connected(state) : failed(state, code, own, room, random, nowMs)
            states[at] = next
            if (next.kind === 'ejected' && next.untilMs - next.sinceMs > rule.maxEjectionMs) return false
          }
          if (ejected() > size / 2) return false
        }
        return true
      },
    ),
  )
  t.pass()
})

test('without room in the pool the endpoint stays, and the next failure asks again', (t) => {
  let state = blameless(0)
  for (let i = 0; i < 9; i++) state = failed(state, code, rule, false, 0, 0)
  t.like(state, { kind: 'in', failures: 9 })
  t.is(failed(state, code, rule, true, 0, 0).kind, 'ejected')
})

test('a single endpoint is never ejected, of two one may be', (t) => {
  t.deepEqual([0, 1, 2, 3, 4, 5].map(maxEjected), [0, 0, 1, 1, 2, 2])
})

test('descriptors and local ports that ran out blame nobody, everything else does', (t) => {
  const innocent = dialFailures.filter((reason) => !blames({ reason, code: 'E' }))
  t.deepEqual(innocent, ['ports-exhausted', 'local', 'busy'])
})

/** Cuts off `times` connections in a row, after having served `served`. */
function cutOffs(state: Outlier, times: number, served = 0): Outlier {
  let next = state
  for (let i = 0; i < times; i++) next = cutOff(next, served, rule, true, 0, 0)
  return next
}

test('the fifth connection in a row that is reset before its first byte ejects, the fourth does not', (t) => {
  const four = cutOffs(blameless(0), 4, 7)
  t.is(four.kind, 'in')
  t.like(cutOffs(four, 1, 7), { kind: 'ejected', by: 'cut-offs', failures: 5, untilMs: 30_000 })
})

test('a connection that was served in between starts the row of cut-offs again, a dial that connects does not', (t) => {
  const four = cutOffs(blameless(0), 4)
  t.is(cutOffs(four, 4, 1).kind, 'in')
  t.is(cutOffs(connected(four), 1).kind, 'ejected')
})

test('failed dials and cut-offs are two rows', (t) => {
  let state = cutOffs(blameless(0), 4)
  for (let i = 0; i < 4; i++) state = failed(state, code, rule, true, 0, 0)
  t.is(state.kind, 'in')
  t.is(cutOffs(state, 1).kind, 'ejected')
  t.is(failed(state, code, rule, true, 0, 0).kind, 'ejected')
})

test('a probe that got bytes ends a row of cut-offs; one that a kernel answers does not', (t) => {
  const four = cutOffs(blameless(0), 4)
  t.is(cutOffs(probedOutlier(four, true, true), 1).kind, 'in')
  t.is(cutOffs(probedOutlier(four, true, false), 1).kind, 'ejected')
  t.is(cutOffs(probedOutlier(four, false, false), 1).kind, 'ejected')
})

test('for an endpoint that cuts off clients only a probe that got bytes vouches', (t) => {
  const ejected = cutOffs(blameless(0), 5)
  t.like(probedOutlier(ejected, true, false), { vouched: 0 })
  t.like(probedOutlier(ejected, true, true), { vouched: 1 })
  t.like(probedOutlier(eject(blameless(0), 0), true, false), { vouched: 1 })
})
