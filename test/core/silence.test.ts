import test from 'ava'
import {
  type FirstBytes,
  isSilent,
  type Overdue,
  patienceMs,
  smoothed,
  smoothedOvertaken,
} from '../../src/core/silence.ts'

const nowMs = 10_000

/** An endpoint that used to answer after 4 ms, and has not since 9,000. */
const frozen: FirstBytes = {
  count: 500,
  usualMs: 4,
  askedMs: 8_996,
  tookMs: 4,
  answeredMs: 9_000,
  overtaken: 0,
}
/** One that answers now, in 4 ms. */
const well: FirstBytes = { ...frozen, askedMs: 9_994, answeredMs: 9_998 }
const three: Overdue = { count: 3, sinceMs: 9_890 }

const cases: readonly {
  readonly claim: string
  readonly silent: boolean
  readonly own?: Partial<FirstBytes>
  readonly overdue?: Partial<Overdue>
  readonly others?: readonly Partial<FirstBytes>[]
}[] = [
  { claim: 'three who wait, while another endpoint answers who came later', silent: true },
  { claim: 'one or two are slow questions', silent: false, overdue: { count: 2 } },
  { claim: 'nobody else is there', silent: false, others: [] },
  {
    claim: 'the others have answered nobody who came later',
    silent: false,
    others: [{ askedMs: 9_889, answeredMs: 9_998 }],
  },
  { claim: 'one of several others is enough', silent: true, others: [{ askedMs: 0 }, {}] },
  {
    claim: 'the others answer, but are slow too',
    silent: false,
    others: [{ askedMs: 9_895, tookMs: 90 }],
  },
  { claim: 'it has given somebody a byte meanwhile', silent: false, own: { answeredMs: 9_890 } },
  { claim: 'a byte before they began to wait does not count', silent: true, own: { answeredMs: 9_889 } },
  {
    claim: 'it has never answered: a protocol that goes one way',
    silent: false,
    own: { count: 0, usualMs: 0 },
  },
  { claim: 'it has answered too few to know what is usual', silent: false, own: { count: 9 } },
  {
    claim: 'four of five are never answered: as many wait as always',
    silent: false,
    own: { overtaken: 4 },
    overdue: { count: 22 },
  },
  {
    claim: 'four of five are never answered, and far more wait than ever',
    silent: true,
    own: { overtaken: 4 },
    overdue: { count: 23 },
  },
]

for (const { claim, silent, own, overdue, others = [{}] } of cases) {
  test(`${silent ? 'silent' : 'not silent'}: ${claim}`, (t) => {
    const answers = others.map((other) => ({ ...well, ...other }))
    t.is(isSilent({ ...frozen, ...own }, { ...three, ...overdue }, answers, nowMs), silent)
  })
}

test('patience is five times the usual, and never less than 100 ms', (t) => {
  t.deepEqual([0, 0.05, 4, 20, 21, 30_000].map(patienceMs), [100, 100, 100, 100, 105, 150_000])
})

test('the first wait is the usual one, each later one an eighth of the way', (t) => {
  t.is(smoothed(0, 8), 8)
  t.is(smoothed(8, 16), 9)
})

test('who is overtaken counts by answer, whether one sweep sees many or few', (t) => {
  let one = 0
  for (let i = 0; i < 160; i++) one = smoothedOvertaken(one, 4, 1, 1_000 + i)
  t.true(Math.abs(one - 4) < 0.05, `${one}`)
  t.true(Math.abs(smoothedOvertaken(0, 640, 160, 1_160) - one) < 1e-9)
  t.true(smoothedOvertaken(4, 0, 160, 1_320) < 0.05)
})

test('the first answers are averaged: the very first one teaches all of it', (t) => {
  t.is(smoothedOvertaken(0, 9, 1, 1), 9)
  t.is(smoothedOvertaken(9, 0, 1, 2), 4.5)
  t.is(smoothedOvertaken(4.5, 18, 2, 4), 6.75)
})
