import test from 'ava'
import { Deadlines, type RelaySide, type Timed } from '../../src/plane/deadlines.ts'
import type { Sight } from '../../src/plane/sight.ts'

const timeouts = {
  idleMs: 5_000,
  halfCloseMs: 2_000,
  stallMs: 3_000,
  unackedMs: 8_000,
  keepalive: { idleMs: 60_000, intervalMs: 15_000, count: 4 },
}
const down = 1
const up = 2

class FakeRelay implements Timed {
  halfClosed = false
  clientEnded = false
  readonly held = { downstream: 0, upstream: 0 }
  readonly taken = { downstream: 0, upstream: 0 }
  heldFor(side: RelaySide): number {
    return this.held[side]
  }
  takenBy(side: RelaySide): number {
    return this.taken[side]
  }
  descriptorOf(side: RelaySide): number {
    return side === 'downstream' ? down : up
  }
}

/** A relay and a kernel as a test sets them. */
function scene() {
  const relay = new FakeRelay()
  const silent = { lastSentMs: 1e9, lastAckMs: 1e9, unanswered: 0 }
  const kernel = {
    queued: new Map<number, number>(),
    tcp: new Map<number, { lastSentMs: number; lastAckMs: number; unanswered: number }>(),
    asked: 0,
  }
  const sight: Sight = {
    view: () => null,
    unacknowledged(descriptor) {
      kernel.asked++
      return kernel.queued.get(descriptor) ?? 0
    },
    tcp(descriptor) {
      kernel.asked++
      return kernel.tcp.get(descriptor) ?? silent
    },
  }
  return {
    relay,
    kernel,
    deadlines: new Deadlines(timeouts, sight, 0),
    blind: new Deadlines(timeouts, null, 0),
  }
}

test('a silent connection is over at `idle`, and the client is named', (t) => {
  const { relay, deadlines } = scene()
  t.is(deadlines.expired(relay, 4_999), null)
  t.deepEqual(deadlines.expired(relay, 5_000), { kind: 'idle', side: 'downstream', vanished: false })
})

test('bytes that leave our send queue are no silence', (t) => {
  const { relay, kernel, deadlines } = scene()
  kernel.tcp.set(down, { lastSentMs: 1_000, lastAckMs: 1_000, unanswered: 0 })
  t.is(deadlines.expired(relay, 5_000), null)
  t.is(deadlines.movedMs, 4_000)
  kernel.tcp.clear()
  t.is(deadlines.expired(relay, 8_999), null)
  t.is(deadlines.expired(relay, 9_000)?.kind, 'idle')
})

test('the kernel is not asked before a deadline is due', (t) => {
  const { relay, kernel, deadlines } = scene()
  for (let nowMs = 0; nowMs < 5_000; nowMs += 900) {
    deadlines.moved(nowMs)
    t.is(deadlines.expired(relay, nowMs), null)
  }
  t.true(kernel.asked <= 2 * 4, `${kernel.asked}`) // for unacknowledged bytes, each second, of both
})

test('without sight what the program saw decides', (t) => {
  const { relay, kernel, blind } = scene()
  kernel.tcp.set(down, { lastSentMs: 0, lastAckMs: 0, unanswered: 0 })
  t.is(blind.expired(relay, 5_000)?.kind, 'idle')
})

test('after one side has ended, silence is over at `halfClose`, and the other side is named', (t) => {
  const { relay, deadlines } = scene()
  relay.halfClosed = true
  relay.clientEnded = true
  t.is(deadlines.expired(relay, 1_999), null)
  t.deepEqual(deadlines.expired(relay, 2_000), { kind: 'half-close', side: 'upstream', vanished: false })
})

test('held bytes that do not move are over at `stall` though others do', (t) => {
  const { relay, deadlines } = scene()
  relay.held.upstream = 100
  for (let nowMs = 500; nowMs < 3_500; nowMs += 500) {
    deadlines.moved(nowMs)
    t.is(deadlines.expired(relay, nowMs), null, `${nowMs}`)
  }
  t.deepEqual(deadlines.expired(relay, 3_500), { kind: 'stall', side: 'upstream', vanished: false })
})

test('held bytes have no room while the queue in front of them empties: that is no stall', (t) => {
  const { relay, kernel, deadlines } = scene()
  relay.held.downstream = 100
  t.is(deadlines.expired(relay, 1_000), null)
  kernel.tcp.set(down, { lastSentMs: 200, lastAckMs: 200, unanswered: 0 })
  deadlines.moved(4_000)
  t.is(deadlines.expired(relay, 4_000), null)
  kernel.tcp.clear()
  deadlines.moved(6_799)
  t.is(deadlines.expired(relay, 6_799), null)
  t.is(deadlines.expired(relay, 6_800)?.kind, 'stall')
})

test('whoever acknowledges nothing of what was sent for `unacked` has vanished', (t) => {
  const { relay, kernel, deadlines } = scene()
  kernel.queued.set(up, 7)
  let found: number | null = null
  for (let nowMs = 0; nowMs <= 12_000 && found === null; nowMs += 100) {
    deadlines.moved(nowMs) // the client goes on
    kernel.tcp.set(up, { lastSentMs: 100, lastAckMs: 3_600_000 + nowMs, unanswered: 5 })
    const expiry = deadlines.expired(relay, nowMs)
    if (expiry === null) continue
    t.deepEqual(expiry, { kind: 'idle', side: 'upstream', vanished: true })
    found = nowMs
  }
  // Looked at each second: the bytes are known to be out from the first look on, however old the last ACK is.
  t.is(found, 9_000)
})

test('whoever answers the probes of its closed window lives', (t) => {
  const { relay, kernel, deadlines } = scene()
  kernel.queued.set(down, 1e6)
  for (let nowMs = 0; nowMs <= 60_000; nowMs += 500) {
    deadlines.moved(nowMs)
    kernel.tcp.set(down, {
      lastSentMs: 1e6,
      lastAckMs: nowMs % 6_000,
      unanswered: nowMs % 6_000 > 3_000 ? 1 : 0,
    })
    t.is(deadlines.expired(relay, nowMs), null, `${nowMs}`)
  }
})

test('a question that was asked once may be on its way: it does not count yet', (t) => {
  const { relay, kernel, deadlines } = scene()
  kernel.queued.set(down, 1e6)
  kernel.tcp.set(down, { lastSentMs: 1e6, lastAckMs: 1e6, unanswered: 1 })
  for (let nowMs = 0; nowMs <= 60_000; nowMs += 500) {
    deadlines.moved(nowMs)
    t.is(deadlines.expired(relay, nowMs), null, `${nowMs}`)
  }
})

test('bytes that are acknowledged in between begin anew', (t) => {
  const { relay, kernel, deadlines } = scene()
  for (let nowMs = 0; nowMs <= 60_000; nowMs += 1_000) {
    deadlines.moved(nowMs)
    kernel.queued.set(up, nowMs % 7_000 === 0 ? 0 : 5)
    kernel.tcp.set(up, { lastSentMs: 0, lastAckMs: 1e6, unanswered: 9 })
    t.is(deadlines.expired(relay, nowMs), null, `${nowMs}`)
  }
})

test('keepalive is due once, after five seconds of life', (t) => {
  const { deadlines } = scene()
  t.false(deadlines.keepaliveDue(4_999))
  t.true(deadlines.keepaliveDue(5_000))
  t.false(deadlines.keepaliveDue(6_000))
})
