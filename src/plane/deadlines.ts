import type { Detached, RelayEnd, RelayTimeouts } from './plane.ts'
import type { Sight } from './sight.ts'

/**
 * Keepalive is set on connections that have lived this long: shorter ones need none and save eight system
 * calls.
 */
const keepaliveAfterMs = 5_000
/**
 * Deadlines may be late by a tenth, but are not looked at more often than every 10 ms or less often than
 * every second.
 */
const sweepShare = 10
const sweepBoundsMs = { least: 10, most: 1_000 } as const
/**
 * How many times in `unackedMs` the kernel is asked for unacknowledged bytes, which is how precise that
 * deadline is.
 */
const looksAtAcks = 8
/**
 * A vanished peer leaves more than one retransmission or window probe unanswered. A single one may only just
 * have been sent.
 */
const leastUnanswered = 2

export type RelaySide = 'downstream' | 'upstream'

/** A relay as its deadlines see it. `side` is the one that bytes go to. */
export interface Timed {
  /** One side has ended, or we have: the other one has `halfCloseMs` left for each silence. */
  readonly halfClosed: boolean
  /** The client has ended: it is the endpoint's turn. */
  readonly clientEnded: boolean
  /** Bytes that the side's kernel has not taken yet. */
  heldFor(side: RelaySide): number
  /** Bytes that it has taken since the relay began. */
  takenBy(side: RelaySide): number
  descriptorOf(side: RelaySide): number
}

/** How a relay ends that does not end by itself. */
export type RelayFailure = Pick<RelayEnd, 'kind' | 'side' | 'code' | 'closed'>

/** What its deadlines do to a relay. */
export interface Swept extends Timed {
  /** Ends both sides with RST. */
  fail(verdict: RelayFailure): void
  /** It has lived for so long that it gets keepalive. */
  keepAlive(options: RelayTimeouts['keepalive']): void
}

/** Ages in ms, -1: it does not wait. */
export type DeadlinesPast = Pick<Detached['relay'], 'idleMs' | 'stuckUpMs' | 'stuckDownMs' | 'keepalive'>

export interface Expiry {
  readonly kind: 'idle' | 'stall' | 'half-close'
  /** Who was silent, or did not read. */
  readonly side: RelaySide
  /** The peer is gone: it has acknowledged nothing for `unackedMs`. */
  readonly vanished: boolean
}

/** How long one direction has been waiting: start times in monotonic ms, -1 while it is not waiting. */
class Waits {
  /** What is held does not move. */
  stuckMs = -1
  /** Bytes are out and nothing comes back. */
  unackedMs = -1
  taken = 0
}

/**
 * A relay's deadlines, looked at by the sweeper. What the program did is remembered; what the kernel does
 * with it, a queue that empties, a peer that is slow or gone, is asked of the kernel, and only when a
 * deadline would be over without it.
 */
export class Deadlines {
  readonly sweepMs: number
  readonly timeouts: RelayTimeouts
  readonly #sight: Sight | null
  readonly #up = new Waits()
  readonly #down = new Waits()
  #movedMs: number
  #keepaliveAtMs: number
  #nextAcksMs: number

  constructor(timeouts: RelayTimeouts, sight: Sight | null, nowMs: number) {
    this.timeouts = timeouts
    this.#sight = sight
    this.#movedMs = nowMs
    this.#keepaliveAtMs = nowMs + Math.min(keepaliveAfterMs, timeouts.keepalive.idleMs)
    const { idleMs, halfCloseMs, stallMs, unackedMs } = timeouts
    this.#nextAcksMs = nowMs + unackedMs / looksAtAcks
    const shortest = Math.min(idleMs, halfCloseMs, stallMs, unackedMs) / sweepShare
    this.sweepMs = Math.max(sweepBoundsMs.least, Math.min(sweepBoundsMs.most, shortest))
  }

  /** How far the waits have come, for a relay that goes on elsewhere. */
  past(nowMs: number): DeadlinesPast {
    const age = (sinceMs: number): number => (sinceMs === -1 ? -1 : nowMs - sinceMs)
    return {
      idleMs: this.idleMs(nowMs),
      stuckUpMs: age(this.#up.stuckMs),
      stuckDownMs: age(this.#down.stuckMs),
      keepalive: this.#keepaliveAtMs === Number.POSITIVE_INFINITY,
    }
  }

  /** Goes on where they were. */
  resume(relay: Timed, past: DeadlinesPast, nowMs: number): void {
    const since = (ageMs: number): number => (ageMs === -1 ? -1 : nowMs - ageMs)
    this.#movedMs = nowMs - past.idleMs
    this.#up.stuckMs = since(past.stuckUpMs)
    this.#down.stuckMs = since(past.stuckDownMs)
    this.#up.taken = relay.takenBy('upstream')
    this.#down.taken = relay.takenBy('downstream')
    if (past.keepalive) this.#keepaliveAtMs = Number.POSITIVE_INFINITY
  }

  /** When a byte last moved. */
  get movedMs(): number {
    return this.#movedMs
  }

  moved(nowMs: number): void {
    this.#movedMs = nowMs
  }

  idleMs(nowMs: number): number {
    return nowMs - this.#movedMs
  }

  /** Call at least every `sweepMs`. */
  sweep(relay: Swept, nowMs: number): void {
    const expiry = this.expired(relay, nowMs)
    if (expiry !== null) relay.fail(verdictOf(expiry))
    else if (this.keepaliveDue(nowMs)) relay.keepAlive(this.timeouts.keepalive)
  }

  /** True once: it is time to turn keepalive on. */
  keepaliveDue(nowMs: number): boolean {
    if (nowMs < this.#keepaliveAtMs) return false
    this.#keepaliveAtMs = Number.POSITIVE_INFINITY
    return true
  }

  /** The first deadline that is over, if one is. */
  expired(relay: Timed, nowMs: number): Expiry | null {
    this.#note(relay, 'downstream', this.#down, nowMs)
    this.#note(relay, 'upstream', this.#up, nowMs)
    const { idleMs, halfCloseMs, stallMs } = this.timeouts
    const stuckDownMs = this.#stuckMs(relay, 'downstream', this.#down, nowMs)
    const stuckUpMs = this.#stuckMs(relay, 'upstream', this.#up, nowMs)
    if (Math.max(stuckDownMs, stuckUpMs) >= stallMs)
      return { kind: 'stall', side: culprit(relay), vanished: false }
    const shortMs = relay.halfClosed ? Math.min(idleMs, halfCloseMs) : idleMs
    if (this.#silentMs(relay, shortMs, nowMs) >= shortMs) {
      const kind = shortMs === idleMs ? 'idle' : 'half-close'
      return { kind, side: culprit(relay), vanished: false }
    }
    return nowMs >= this.#nextAcksMs ? this.#vanished(relay, nowMs) : null
  }

  #note(relay: Timed, side: RelaySide, waits: Waits, nowMs: number): void {
    const taken = relay.takenBy(side)
    // The kernel may take a chunk piece by piece while only its end is reported; each piece counts as
    // movement.
    if (taken !== waits.taken && relay.heldFor(side) > 0) this.#movedMs = nowMs
    if (relay.heldFor(side) === 0) waits.stuckMs = -1
    else if (taken !== waits.taken || waits.stuckMs === -1) waits.stuckMs = nowMs
    waits.taken = taken
  }

  /** For how long nothing of what is held for a side has moved. */
  #stuckMs(relay: Timed, side: RelaySide, waits: Waits, nowMs: number): number {
    if (waits.stuckMs === -1) return 0
    // There is no room for more while the queue in front of it empties: that is movement too.
    if (nowMs - waits.stuckMs >= this.timeouts.stallMs) {
      waits.stuckMs = Math.max(waits.stuckMs, nowMs - this.#lastSentMs(relay, side))
    }
    return nowMs - waits.stuckMs
  }

  #silentMs(relay: Timed, limitMs: number, nowMs: number): number {
    if (nowMs - this.#movedMs >= limitMs) {
      const ms = Math.min(this.#lastSentMs(relay, 'downstream'), this.#lastSentMs(relay, 'upstream'))
      this.#movedMs = Math.max(this.#movedMs, nowMs - ms)
    }
    return nowMs - this.#movedMs
  }

  #lastSentMs(relay: Timed, side: RelaySide): number {
    return this.#sight?.tcp(relay.descriptorOf(side))?.lastSentMs ?? Number.POSITIVE_INFINITY
  }

  #vanished(relay: Timed, nowMs: number): Expiry | null {
    this.#nextAcksMs = nowMs + this.timeouts.unackedMs / looksAtAcks
    const down = this.#isGone(relay, 'downstream', this.#down, nowMs)
    const up = this.#isGone(relay, 'upstream', this.#up, nowMs)
    return down || up ? { kind: 'idle', side: up ? 'upstream' : 'downstream', vanished: true } : null
  }

  /**
   * TCP_USER_TIMEOUT would kill a live peer that does not read, and replace the keepalive count. One that
   * answers probes of its closed window lives.
   */
  #isGone(relay: Timed, side: RelaySide, waits: Waits, nowMs: number): boolean {
    const sight = this.#sight
    const descriptor = relay.descriptorOf(side)
    const tcp = sight !== null && sight.unacknowledged(descriptor) > 0 ? sight.tcp(descriptor) : null
    if (tcp === null) {
      waits.unackedMs = -1
      return false
    }
    waits.unackedMs = Math.max(waits.unackedMs === -1 ? nowMs : waits.unackedMs, nowMs - tcp.lastAckMs)
    const leftMs = waits.unackedMs + this.timeouts.unackedMs - nowMs
    if (leftMs > 0) this.#nextAcksMs = Math.min(this.#nextAcksMs, nowMs + leftMs)
    return leftMs <= 0 && tcp.unanswered >= leastUnanswered
  }
}

/** The side that did not read, or else the one whose turn it was: the open one, or else the client. */
function culprit(relay: Timed): RelaySide {
  const upstream = relay.heldFor('upstream') > 0 || (relay.clientEnded && relay.heldFor('downstream') === 0)
  return upstream ? 'upstream' : 'downstream'
}

function verdictOf({ kind, side, vanished }: Expiry): RelayFailure {
  return {
    kind,
    side,
    code: vanished ? 'ETIMEDOUT' : null,
    closed: { first: closerOf(side), how: 'timeout' },
  }
}

/** Who has closed, when a side has: the words of RelayEnd.closed. */
export function closerOf(side: RelaySide): 'client' | 'server' {
  return side === 'upstream' ? 'server' : 'client'
}

/** With these a socket fails whose peer has answered neither data nor keepalive. */
export function hasVanished(code: string | undefined): boolean {
  return code === 'ETIMEDOUT' || code === 'EHOSTUNREACH'
}
