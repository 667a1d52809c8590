import test from 'ava'
import { TCP_QUICKACK } from '../../../src/linux/constants.ts'
import { Fd } from '../../../src/linux/fd.ts'
import type { Libc } from '../../../src/linux/libc.ts'
import { loadLibc } from '../../../src/linux/load-libc.ts'
import { type Acknowledging, Acks } from '../../../src/plane/splice/acks.ts'
import { Clock } from '../../../src/plane/splice/clock.ts'
import { Poller } from '../../../src/plane/splice/poller.ts'

/** Acks over a clock and a batch that a test turns by hand. `set`: values of TCP_QUICKACK, by descriptor. */
function scene() {
  const loaded = loadLibc()
  if (loaded.kind === 'missing') throw new Error(loaded.reason)
  const set: [number, number][] = []
  const libc: Libc = {
    ...loaded.libc,
    setOption(fd, _level, option, value) {
      if (option === TCP_QUICKACK) set.push([fd.n, value])
      return 0
    },
  }
  let nowMs = 1_000
  const clock = new Clock(() => nowMs)
  const poller = new Poller(libc, clock)
  const batch: (() => void)[] = []
  poller.later = (work) => void batch.push(work)
  const acks = new Acks(
    libc,
    poller,
    () => clock.nowMs,
    (ms, fire) => clock.after(ms, fire),
  )
  const wires = { made: 10 }
  const dialed = (): Acknowledging & { sent: boolean; finArrived: boolean } => {
    const wire = {
      fd: new Fd(wires.made++),
      sent: false,
      finArrived: false,
      acks: 'normal' as const,
      habits: null,
      connectedMs: 0,
    }
    acks.dials(wire, 'pool')
    acks.connected(wire)
    return wire
  }
  return {
    acks,
    set,
    dialed,
    endBatch: () => {
      for (const work of batch.splice(0)) work()
    },
    pass(ms: number) {
      nowMs += ms
      clock.read()
      clock.fire()
    },
  }
}

test('the ACK of the handshake rides on what the client sends', (t) => {
  const { set, dialed, pass } = scene()
  const wire = dialed()
  wire.sent = true
  pass(50)
  t.deepEqual(set, [[10, 0]])
})

test('where the client says nothing it goes alone, after 4 to 8 ms', (t) => {
  const { set, dialed, pass } = scene()
  dialed()
  pass(3)
  t.deepEqual(set, [[10, 0]])
  pass(5)
  t.deepEqual(set, [
    [10, 0],
    [10, 2],
  ])
  pass(50)
  t.is(set.length, 2)
})

test('a wire that was closed meanwhile is left alone', (t) => {
  const { set, dialed, pass } = scene()
  dialed().fd.n = -1
  pass(50)
  t.deepEqual(set, [[10, 0]])
})

test('servers that greet are remembered by their group: their handshake is acknowledged at once', (t) => {
  const { acks, set, dialed, endBatch } = scene()
  acks.answered(dialed())
  endBatch()
  set.length = 0
  const next = dialed()
  t.deepEqual(set, [])
  t.is(next.acks, 'normal')
})

test('a word about a client that says nothing is no greeting', (t) => {
  const { acks, set, dialed, pass } = scene()
  const wire = dialed()
  pass(30_000)
  acks.answered(wire) // a 408 of an HTTP server
  set.length = 0
  dialed()
  t.deepEqual(set, [[11, 0]])
})

test('an answer that has not ended with its batch brings normal ACKs back, once', (t) => {
  const { acks, set, dialed, endBatch } = scene()
  const wire = dialed()
  wire.sent = true
  acks.answered(wire)
  t.is(wire.acks, 'normal')
  t.deepEqual(set, [[10, 0]])
  endBatch()
  t.deepEqual(set, [
    [10, 0],
    [10, 1],
  ])
})

test('an answer that has ended needs none', (t) => {
  const { acks, set, dialed, endBatch } = scene()
  const wire = dialed()
  wire.sent = true
  acks.answered(wire)
  wire.finArrived = true
  endBatch()
  t.deepEqual(set, [[10, 0]])
})
