import type { Closed } from '../../core/outcome.ts'
import type { Relay, RelayEnd, RelayOptions, RelayOwner, RelayTimeouts } from '../plane.ts'
import type { Sweepable, Sweeper } from '../sweeper.ts'
import { Linger, type LingerContext } from './linger.ts'
import { Side, type SideOwner } from './side.ts'
import type { NetWire } from './wire.ts'

/** Keepalive is set on connections that have lived this long: shorter ones need none and save eight system calls. */
const keepaliveAfterMs = 5_000
/** Deadlines may be late by a tenth, but are not looked at more often than every 10 ms or less often than every second. */
const sweepShare = 10
const sweepBoundsMs = { least: 10, most: 1_000 } as const

export interface RelayContext extends LingerContext {
  readonly sweeper: Sweeper
}

type Verdict = Pick<RelayEnd, 'kind' | 'side' | 'code' | 'halfClosed'>

type State =
  /** Bytes or FINs are still to come, from both sides or from one. */
  | { readonly kind: 'copying' }
  /** A side was lost. The other is told by RST when it has acknowledged all that is its own. */
  | { readonly kind: 'telling'; readonly verdict: Verdict; readonly linger: Linger }
  /** Both are reset. */
  | { readonly kind: 'failed'; readonly verdict: Verdict }
  | { readonly kind: 'over' }

const copying: State = { kind: 'copying' }

/** Two sides, each reading for the other, from the hand-over until both descriptors are closed. */
export class NetRelay implements Relay, Sweepable, SideOwner {
  seat = -1
  readonly sweepMs: number
  readonly #timeouts: RelayTimeouts
  readonly #owner: RelayOwner
  #bytesUp = 0
  #bytesDown = 0
  readonly #context: RelayContext
  readonly #downstream: Side
  readonly #upstream: Side
  readonly #keepaliveAtMs: number
  #movedMs: number
  #settledMs: number
  #unsentBytes = 0
  #first: Closed | null = null
  #state: State = copying
  /** FIN went to both by our own hand. */
  #finishing = false
  #keepalive = false

  constructor(context: RelayContext, downstream: NetWire, upstream: NetWire, options: RelayOptions) {
    this.#context = context
    this.#timeouts = options.timeouts
    this.#owner = options.owner
    this.#movedMs = this.#settledMs = context.now()
    this.#keepaliveAtMs = this.#movedMs + Math.min(keepaliveAfterMs, options.timeouts.keepalive.idleMs)
    const { idleMs, halfCloseMs, stallMs } = options.timeouts
    const shortest = Math.min(idleMs, halfCloseMs, stallMs) / sweepShare
    this.sweepMs = Math.max(sweepBoundsMs.least, Math.min(sweepBoundsMs.most, shortest))
    this.#downstream = new Side(this, 'downstream', downstream.socket)
    this.#upstream = new Side(this, 'upstream', upstream.socket)
    this.#downstream.peer = this.#upstream
    this.#upstream.peer = this.#downstream
    context.sweeper.add(this)
    // With a header: bytes that the client has sent are in this turn's reads at the latest, and join it in one write.
    const { header } = options
    if (header === null) this.#begin(downstream, upstream, header)
    else setImmediate(() => this.#begin(downstream, upstream, header))
  }

  idleMs(nowMs: number): number {
    return nowMs - this.#movedMs
  }

  finish(): void {
    if (this.#state.kind !== 'copying' || this.#finishing) return
    this.#finishing = true
    this.#first ??= { first: 'proxy', how: 'fin' }
    this.#movedMs = this.#context.now()
    this.#downstream.seal()
    this.#upstream.seal()
  }

  kill(): void {
    this.#fail({ kind: 'killed', side: null, code: null, closed: { first: 'proxy', how: 'kill' } })
  }

  moved(from: 'downstream' | 'upstream', count: number): void {
    this.#movedMs = this.#context.now()
    if (from === 'downstream') {
      this.#bytesUp += count
      this.#owner.up(count)
    } else {
      this.#bytesDown += count
      this.#owner.down(count)
    }
  }

  buffered(delta: number): void {
    this.#owner.buffered(delta)
  }

  finRead(side: Side): void {
    this.#movedMs = this.#context.now()
    this.#first ??= { first: side.name === 'downstream' ? 'client' : 'server', how: 'fin' }
    const state = this.#state
    if (state.kind !== 'telling' || state.verdict.code !== 'EPIPE' || !this.#bothEnded()) return
    // Both have ended cleanly: the reset that came after one of the FINs concerns nobody.
    state.linger.cancel()
    this.#state = copying
  }

  lost(side: Side, error: NodeJS.ErrnoException): void {
    if (this.#state.kind === 'telling') this.#abort(this.#state.verdict) // nobody is left who could be told
    if (this.#state.kind !== 'copying') return
    const vanished = error.code === 'ETIMEDOUT' || error.code === 'EHOSTUNREACH' // keepalive gave up
    const ended = error.code === 'EPIPE'
    if (ended && this.#bothEnded()) return
    const first = side.name === 'downstream' ? 'client' : 'server'
    this.#first ??= { first, how: vanished ? 'timeout' : ended ? 'fin' : 'rst' }
    const verdict: Verdict = {
      kind: vanished ? 'idle' : 'reset',
      side: side.name,
      code: error.code ?? 'ECONNRESET',
      halfClosed: ended || this.#halfClosed(),
    }
    const { idleMs, halfCloseMs, stallMs } = this.#timeouts
    const patienceMs = Math.min(idleMs, halfCloseMs, stallMs)
    const linger = new Linger(this.#context, side, side.peer, patienceMs, () => this.#abort(verdict))
    this.#state = { kind: 'telling', verdict, linger }
    linger.look()
  }

  /** Ends when both descriptors are closed. */
  check(): void {
    const state = this.#state
    if (state.kind === 'over') return
    if (!this.#downstream.closed || !this.#upstream.closed) {
      if (state.kind === 'telling') state.linger.look() // the lost side was read to its end
      return
    }
    if (state.kind === 'telling') state.linger.cancel()
    this.#state = { kind: 'over' }
    const kind = this.#finishing ? 'finished' : 'clean'
    const clean: Verdict = { kind, side: null, code: null, halfClosed: this.#halfClosed() }
    this.#context.sweeper.remove(this)
    const end: RelayEnd = {
      ...(state.kind === 'copying' ? clean : state.verdict),
      bytesUp: this.#bytesUp,
      bytesDown: this.#bytesDown,
      closed: this.#first ?? { first: 'proxy', how: 'fin' },
    }
    queueMicrotask(() => this.#owner.ended(end)) // never before the caller has its Relay
  }

  sweep(nowMs: number): void {
    if (this.#state.kind !== 'copying') return
    const { idleMs, halfCloseMs, stallMs } = this.#timeouts
    const unsent = this.#downstream.unsentBytes + this.#upstream.unsentBytes
    // libuv writes a pending chunk piece by piece; what the kernel took of it is movement too.
    if (unsent < this.#unsentBytes) this.#movedMs = nowMs
    if (unsent === 0 || unsent !== this.#unsentBytes) this.#settledMs = nowMs
    this.#unsentBytes = unsent
    const silentMs = nowMs - this.#movedMs
    if (nowMs - this.#settledMs >= stallMs) this.#expire('stall')
    else if (silentMs >= idleMs) this.#expire('idle')
    else if ((this.#halfClosed() || this.#finishing) && silentMs >= halfCloseMs) this.#expire('half-close')
    else if (!this.#keepalive && nowMs >= this.#keepaliveAtMs) this.#keepAlive()
    this.#downstream.probe()
    this.#upstream.probe()
  }

  #begin(downstream: NetWire, upstream: NetWire, header: Uint8Array | null): void {
    const early = downstream.release()
    const banner = upstream.release()
    this.#downstream.take()
    this.#upstream.take()
    this.#downstream.begin(early.held, early.ended, header)
    this.#upstream.begin(banner.held, banner.ended, null)
  }

  /** Ends both sides with RST, at once. */
  #fail({ kind, side, code, closed }: Pick<RelayEnd, 'kind' | 'side' | 'code' | 'closed'>): void {
    if (this.#state.kind === 'over' || this.#state.kind === 'failed') return
    const verdict = this.#state.kind === 'telling' ? this.#state.verdict : null
    this.#first ??= closed
    this.#abort(verdict ?? { kind, side, code, halfClosed: this.#halfClosed() })
  }

  #abort(verdict: Verdict): void {
    if (this.#state.kind === 'telling') this.#state.linger.cancel()
    this.#state = { kind: 'failed', verdict }
    this.#downstream.abort()
    this.#upstream.abort()
    this.check()
  }

  #halfClosed(): boolean {
    return this.#downstream.readEnded || this.#upstream.readEnded
  }

  #bothEnded(): boolean {
    return this.#downstream.readEnded && this.#upstream.readEnded
  }

  #keepAlive(): void {
    this.#keepalive = true
    const { idleMs, intervalMs, count } = this.#timeouts.keepalive
    const options = { enable: true, initialDelay: idleMs, interval: intervalMs, count }
    this.#downstream.socket.setKeepAlive(options)
    this.#upstream.socket.setKeepAlive(options)
  }

  /** The side that did not read, or else the one whose turn it was: the open one, or else the client. */
  #expire(kind: 'idle' | 'stall' | 'half-close'): void {
    const upstreamFaulty =
      this.#upstream.unsentBytes > 0 || (this.#downstream.readEnded && this.#downstream.unsentBytes === 0)
    const side = upstreamFaulty ? 'upstream' : 'downstream'
    const closed: Closed = { first: upstreamFaulty ? 'server' : 'client', how: 'timeout' }
    this.#fail({ kind, side, code: null, closed })
  }
}
