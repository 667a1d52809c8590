import test from 'ava'
import fc from 'fast-check'
import { type Health, probed, type Thresholds, type Verdict } from '../../src/core/health.ts'

const good: Verdict = { ok: true, ms: 1, detail: 'tcp: connected in 1.0 ms', spoke: false }
const bad: Verdict = { ok: false, reason: 'tcp: connection refused', fault: 'endpoint' }
const local: Verdict = { ok: false, reason: 'tcp: too many open files', fault: 'local' }
const thresholds: Thresholds = { fall: 3, rise: 2 }

/** Runs `+` (good), `-` (bad) and `0` (local) through the machine, one millisecond apart; returns every state's kind. */
function run(verdicts: string, { fall, rise } = thresholds): { kinds: string; last: Health } {
  let state: Health = { kind: 'unknown' }
  let kinds = ''
  for (const [index, letter] of [...verdicts].entries()) {
    const verdict = letter === '+' ? good : letter === '-' ? bad : local
    state = probed(state, verdict, { fall, rise }, index)
    kinds += state.kind === 'up' ? 'U' : state.kind === 'down' ? 'D' : '?'
  }
  return { kinds, last: state }
}

const table: readonly [claim: string, verdicts: string, states: string][] = [
  ['the first verdict decides at once, when it is good', '+', 'U'],
  ['the first verdict decides at once, when it is bad', '-', 'D'],
  ['a third failure in a row brings an endpoint down, a second one does not', '+---', 'UUUD'],
  ['a success between failures starts the count again', '+--+---', 'UUUUUUD'],
  ['a second success in a row brings an endpoint up, a first one does not', '-++', 'DDU'],
  ['a failure between successes starts the count again', '-+-++', 'DDDDU'],
  ['a failure of this machine counts neither way', '0+0-0-00-0', '?UUUUUUUDD'],
  ['a failure of this machine does not interrupt successes', '-+0+', 'DDDU'],
]
for (const [claim, verdicts, states] of table) {
  test(claim, (t) => {
    t.is(run(verdicts).kinds, states)
  })
}

test('fall 1 and rise 1 follow every probe', (t) => {
  t.is(run('+-+-', { fall: 1, rise: 1 }).kinds, 'UDUD')
})

test('a down endpoint says why its latest probe failed, and since when it is down', (t) => {
  const before = run('+---').last
  const timeout: Verdict = { ok: false, reason: 'tcp: timeout after 1s', fault: 'endpoint' }
  t.deepEqual(probed(before, timeout, thresholds, 99), {
    kind: 'down',
    sinceMs: 3,
    successes: 0,
    reason: 'tcp: timeout after 1s',
  })
})

test('an endpoint that is up shows a failed probe and how many of them it takes', (t) => {
  t.deepEqual(run('+--').last, {
    kind: 'up',
    sinceMs: 0,
    failures: 2,
    last: 'tcp: connection refused (2 of 3 probes failed)',
  })
})

test('a lower fall after a reload takes effect at the next failure', (t) => {
  t.is(probed(run('+-').last, bad, { fall: 2, rise: 2 }, 9).kind, 'down')
})

const history = fc.array(fc.constantFrom('+', '-', '0'), { maxLength: 60 }).map((letters) => letters.join(''))
const anyThresholds = fc.record({
  fall: fc.integer({ min: 1, max: 5 }),
  rise: fc.integer({ min: 1, max: 5 }),
})

test('an endpoint changes sides exactly when fall or rise equal verdicts stand at the end', (t) => {
  fc.assert(
    fc.property(history, anyThresholds, (verdicts, { fall, rise }) => {
      const counted = verdicts.replaceAll('0', '')
      let expected = '?'
      for (let end = 1; end <= counted.length; end++) {
        const past = counted.slice(0, end)
        if (end === 1) expected = past === '+' ? 'U' : 'D'
        else if (past.endsWith('-'.repeat(fall))) expected = 'D'
        else if (past.endsWith('+'.repeat(rise))) expected = 'U'
      }
      const { kinds } = run(verdicts, { fall, rise })
      return (kinds.at(-1) ?? '?') === expected
    }),
  )
  t.pass()
})

test('one blip never flips an endpoint, in either direction', (t) => {
  const careful = fc.record({ fall: fc.integer({ min: 2, max: 5 }), rise: fc.integer({ min: 2, max: 5 }) })
  const steady = fc.integer({ min: 5, max: 20 })
  fc.assert(
    fc.property(careful, steady, steady, fc.constantFrom('+-', '-+'), (limits, before, after, pair) => {
      const [usual = '', blip = ''] = pair
      const { kinds } = run(usual.repeat(before) + blip + usual.repeat(after), limits)
      return new Set(kinds).size === 1
    }),
  )
  t.pass()
})
