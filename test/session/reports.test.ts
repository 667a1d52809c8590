import test from 'ava'
import type { Attempt, Outcome } from '../../src/core/outcome.ts'
import { createReports } from '../../src/session/reports.ts'
import { FakeClock } from '../control/fixture.ts'

const success: Attempt = { slot: 1, ms: 1, error: null }
const failure: Attempt = { slot: 1, ms: 1, error: { reason: 'refused', code: 'ECONNREFUSED' } }
const outcome: Outcome = {
  id: 'a',
  listener: 'http',
  client: '127.0.0.1:1',
  serverName: null,
  endpoint: null,
  attempts: [],
  connectMs: null,
  durationMs: 1,
  bytesUp: 0,
  bytesDown: 0,
  cause: 'none',
  phase: 'data',
  closed: { first: 'client', how: 'fin' },
  pool: 'web',
  firstByteMs: null,
  look: null,
  moves: 0,
}

function scene() {
  const clock = new FakeClock()
  const sent: { atMs: number; attempts: readonly Attempt[]; count: number; lines: string }[] = []
  const reports = createReports(clock.after, clock.nowMs, (attempts, lines, count) =>
    sent.push({ atMs: clock.nowMs(), attempts, count, lines }),
  )
  return { clock, sent, reports }
}

test('successes and outcomes wait 20 ms for company', (t) => {
  const { clock, sent, reports } = scene()
  reports.attempt(success)
  reports.outcome(outcome)
  clock.advance(19)
  t.is(sent.length, 0)
  reports.outcome(outcome)
  clock.advance(1)
  t.is(sent.length, 1)
  t.is(sent[0]?.atMs, 20)
  t.deepEqual(sent[0]?.attempts, [success])
  const ids = sent[0]?.lines
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).id)
  t.deepEqual(ids, ['a', 'a'])
  t.is(clock.pending, 0)
})

test('a batch of 256 goes at once', (t) => {
  const { sent, reports } = scene()
  for (let i = 0; i < 256; i++) reports.outcome(outcome)
  t.is(sent.length, 1)
  t.is(sent[0]?.count, 256)
})

test('a failure goes within a millisecond, behind the successes before it', (t) => {
  const { clock, sent, reports } = scene()
  reports.attempt(success)
  clock.advance(5)
  reports.attempt(failure)
  reports.attempt(failure)
  clock.advance(1)
  t.deepEqual(sent, [{ atMs: 6, attempts: [success, failure, failure], count: 0, lines: '' }])
})

test('of successes in a row a batch tells the first, and each that ends a row of failures', (t) => {
  const { clock, sent, reports } = scene()
  const elsewhere: Attempt = { ...success, slot: 2 }
  for (const attempt of [success, success, elsewhere, failure, success, success, elsewhere])
    reports.attempt(attempt)
  clock.advance(1)
  reports.attempt(success)
  clock.advance(20)
  t.deepEqual(
    sent.map(({ attempts }) => attempts),
    [[success, elsewhere, failure, success], [success]],
  )
})
