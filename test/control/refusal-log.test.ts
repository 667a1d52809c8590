import test from 'ava'
import { RefusalLog } from '../../src/control/refusal-log.ts'
import type { RefusalSample } from '../../src/core/message.ts'
import { FakeClock, RecordedLog } from './fixture.ts'

const minuteMs = 60_000

/** What the rows count by `SLOT REASON` is the test's. */
function scene() {
  const clock = new FakeClock()
  const log = new RecordedLog()
  const counts = new Map<string, number>()
  const count = (slot: number, reason: string) => counts.get(`${slot} ${reason}`) ?? 0
  const refusals = new RefusalLog({ log, after: clock.after, count })
  /** As a worker does: counted first, and every one of them told here, which workers do not. */
  const refuse = (reason: RefusalSample['reason'], client: string, slot = 0, detail = ''): void => {
    counts.set(`${slot} ${reason}`, count(slot, reason) + 1)
    refusals.tell({ listener: slot === 0 ? 'edge' : 'other', slot, reason, client, detail })
  }
  return { clock, log, refuse, refusals }
}

test('the first is told at once, and 10,000 more are one line a minute later', (t) => {
  const { clock, log, refuse } = scene()
  refuse('denied', '192.0.2.1:1')
  t.deepEqual(log.take(), ['warn listener edge: a connection of 192.0.2.1:1 was refused: denied'])
  for (let i = 0; i < 9_000; i++) refuse('denied', '192.0.2.1:2')
  for (let i = 0; i < 1_000; i++) refuse('per-source', '198.51.100.9:3')
  t.deepEqual(log.take(), [])
  clock.advance(minuteMs)
  t.deepEqual(log.take(), [
    'warn listener edge: refused within the last minute: 9000 denied, 1000 per-source, one of them 198.51.100.9:3',
  ])
})

test('as long as it goes on there is one line a minute, each with what has come in it', (t) => {
  const { clock, log, refuse } = scene()
  refuse('rate', '192.0.2.1:1')
  for (let minute = 1; minute <= 5; minute++) {
    for (let i = 0; i < minute; i++) refuse('rate', '192.0.2.1:2')
    clock.advance(minuteMs)
  }
  t.deepEqual(log.take(), [
    'warn listener edge: a connection of 192.0.2.1:1 was refused: rate',
    ...[1, 2, 3, 4, 5].map(
      (count) => `warn listener edge: refused within the last minute: ${count} rate, one of them 192.0.2.1:2`,
    ),
  ])
})

test('a minute without any ends it: no line, and the next one is told at once', (t) => {
  const { clock, log, refuse } = scene()
  refuse('denied', '192.0.2.1:1')
  clock.advance(10 * minuteMs)
  t.is(log.take().length, 1)
  refuse('proxy-header', '192.0.2.1:2', 0, 'it is no PROXY header')
  t.deepEqual(log.take(), [
    'warn listener edge: a connection of 192.0.2.1:2 was refused: proxy-header, it is no PROXY header',
  ])
})

test('listeners have lines of their own, and a dry run says what it would have done', (t) => {
  const { clock, log, refuse } = scene()
  refuse('denied', '192.0.2.1:1')
  refuse('dry-run', '192.0.2.1:1', 1)
  refuse('dry-run', '192.0.2.1:2', 1)
  clock.advance(minuteMs)
  t.deepEqual(log.take(), [
    'warn listener edge: a connection of 192.0.2.1:1 was refused: denied',
    'warn listener other: a connection of 192.0.2.1:1 would have been refused',
    'warn listener other: refused within the last minute: 1 dry-run, one of them 192.0.2.1:2',
  ])
})

test('after stop() there is no line', (t) => {
  const { clock, log, refuse, refusals } = scene()
  refuse('denied', '192.0.2.1:1')
  refuse('denied', '192.0.2.1:2')
  refusals.stop()
  clock.advance(2 * minuteMs)
  t.is(log.take().length, 1)
})
