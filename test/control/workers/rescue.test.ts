import { EventEmitter } from 'node:events'
import test from 'ava'
import { Moves } from '../../../src/control/workers/moves.ts'
import { Rescue } from '../../../src/control/workers/rescue.ts'
import type { Threads, WorkerNews } from '../../../src/control/workers/threads.ts'
import type { MovedSession } from '../../../src/core/moved.ts'
import type { OrphanVerdict } from '../../../src/core/orphan.ts'
import { type PairRow, PairRows } from '../../../src/core/pair-rows.ts'

const [downstream, upstream] = [3, 4]
const row: PairRow = {
  upstream,
  cookies: { downstream: 1n, upstream: 2n },
  places: { downstream: 1, upstream: 2 },
  headerBytes: 0,
  prefaceBytes: 0,
  listener: 0,
  endpoint: 0,
  id: { worker: 1, number: 1 },
  client: { family: 4, bytes: new Uint8Array([127, 0, 0, 1]), port: 1 },
  startMs: 0,
  relayedMs: 0,
  endsMs: Number.POSITIVE_INFINITY,
  dialMs: 1,
  firstByteMs: -1,
  timeouts: {
    idleMs: 1,
    halfCloseMs: 1,
    stallMs: 1,
    unackedMs: 1,
    sessionMs: 0,
    keepalive: { idleMs: 1, intervalMs: 1, count: 1 },
  },
  nobody: false,
  counted: false,
  warm: false,
  closeOnRemoval: false,
  moves: 0,
  crashes: 0,
  words: { id: null, serverName: null, attempts: [] },
}
const whole: OrphanVerdict = {
  kind: 'whole',
  bytesUp: 0,
  bytesDown: 0,
  upEnded: false,
  downEnded: false,
  idleMs: null,
}

function rescueOf(judged: OrphanVerdict) {
  const pairs = new PairRows(1, 16)
  const rescue = new Rescue({
    pairs,
    judge: () => judged,
    idPrefix: 'x',
    nowMs: () => 1_000,
    listeners: () => new Map([[0, 'main']]),
    endpoints: () => new Map([[0, { pool: 'web', endpoint: '127.0.0.1:1' }]]),
  })
  /** What becomes of one connection of worker 1. */
  const collect = () => {
    pairs.write(downstream, 1, row)
    const open = new Uint8Array(16)
    open[downstream] = 1
    open[upstream] = 1
    const { sessions, lost } = rescue.collect(1, open)
    return { saved: sessions.length, lost, marked: open.reduce((sum, mark) => sum + mark, 0) }
  }
  return { rescue, collect }
}

test('who is whole is saved, and no descriptor of his is left to be reset', (t) => {
  const { collect } = rescueOf(whole)
  t.like(collect(), { saved: 1, marked: 0, lost: { 'no-counters': 0 } })
})

test('on a host whose counters were wrong once nobody is saved by them', (t) => {
  const { rescue, collect } = rescueOf(whole)
  rescue.distrust()
  t.like(collect(), { saved: 0, marked: 2, lost: { 'no-counters': 1 } })
})

/** Threads that take everything and do nothing. */
function threadsOf(): Threads {
  const stub = { send: () => true, alive: () => [1] }
  return Object.assign(new EventEmitter<WorkerNews>(), stub) as unknown as Threads
}

for (const [says, times] of [
  [null, 0],
  [true, 0],
  [false, 1],
] as const) {
  const session = { relay: { countersAgree: says }, facts: {}, descriptors: [] } as unknown as MovedSession

  test(`a connection that comes, and whose counters agree: ${says}`, (t) => {
    let mistrusted = 0
    new Moves(threadsOf(), () => mistrusted++).adopt([session])
    t.is(mistrusted, times)
  })

  test(`a connection that leaves, and whose counters agree: ${says}`, async (t) => {
    let mistrusted = 0
    const threads = threadsOf()
    const detached = new Moves(threads, () => mistrusted++).detach(1, 1)
    threads.emit('detached', 1, [session], false)
    t.is((await detached).sessions.length, 1)
    t.is(mistrusted, times)
  })
}
