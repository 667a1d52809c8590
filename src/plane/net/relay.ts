import type { Closed } from '../../core/outcome.ts'
import { Deadlines, type Expiry, type RelaySide, type Timed } from '../deadlines.ts'
import { Linger, type LingerContext } from '../linger.ts'
import type { Relay, RelayEnd, RelayOptions, RelayOwner, RelayTimeouts } from '../plane.ts'
import type { Sweepable, Sweeper } from '../sweeper.ts'
import type { TakeError } from './handle.ts'
import { Side, type SideOwner } from './side.ts'
import type { NetWire } from './wire.ts'

export interface RelayContext extends LingerContext {
  readonly sweeper: Sweeper
  readonly takeError: TakeError | null
}

type Verdict = Pick<RelayEnd, 'kind' | 'side' | 'code' | 'halfClosed'>

type State =
  /** Bytes or FINs are still to come, from both sides or from one. */
  | { readonly kind: 'copying' }
  /** A side was lost. The other is told by RST when it has acknowledged all that is its own. */
  | { readonly kind: 'telling'; readonly lost: Side; readonly verdict: Verdict; readonly linger: Linger }
  /** Both are reset. */
  | { readonly kind: 'failed'; readonly verdict: Verdict }
  | { readonly kind: 'over' }

const copying: State = { kind: 'copying' }

/** Two sides, each reading for the other, from the hand-over until both descriptors are closed. */
export class NetRelay implements Relay, Sweepable, SideOwner, Timed {
  seat = -1
  readonly #timeouts: RelayTimeouts
  readonly #deadlines: Deadlines
  readonly #owner: RelayOwner
  #bytesUp = 0
  #bytesDown = 0
  readonly #context: RelayContext
  readonly #downstream: Side
  readonly #upstream: Side
  #first: Closed | null = null
  #state: State = copying
  /** FIN went to both by our own hand. */
  #finishing = false

  constructor(context: RelayContext, downstream: NetWire, upstream: NetWire, options: RelayOptions) {
    this.#context = context
    this.#timeouts = options.timeouts
    this.#owner = options.owner
    this.#deadlines = new Deadlines(options.timeouts, context.sight, context.now())
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
    return nowMs - this.#deadlines.movedMs
  }

  get sweepMs(): number {
    return this.#deadlines.sweepMs
  }

  finish(): void {
    if (this.#state.kind !== 'copying' || this.#finishing) return
    this.#finishing = true
    this.#first ??= { first: 'proxy', how: 'fin' }
    this.#deadlines.moved(this.#context.now())
    this.#downstream.seal()
    this.#upstream.seal()
  }

  kill(): void {
    this.#fail({ kind: 'killed', side: null, code: null, closed: { first: 'proxy', how: 'kill' } })
  }

  moved(from: 'downstream' | 'upstream', count: number): void {
    this.#deadlines.moved(this.#context.now())
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

  hiddenError({ socket }: Side): string | null {
    return this.#context.takeError?.(socket.descriptor) ?? null
  }

  finRead(side: Side): void {
    this.#deadlines.moved(this.#context.now())
    this.#first ??= { first: side.name === 'downstream' ? 'client' : 'server', how: 'fin' }
    if (side.name === 'upstream') this.#owner.upstreamEnded()
    const state = this.#state
    if (state.kind !== 'telling' || state.verdict.code !== 'EPIPE' || !this.#bothEnded()) return
    // Both have ended cleanly: a reset after one of the FINs no longer matters.
    state.linger.cancel()
    this.#state = copying
  }

  lost(side: Side, error: NodeJS.ErrnoException): void {
    if (this.#state.kind === 'telling') this.#abort(this.#state.verdict) // there is no side left to tell
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
    const linger = new Linger(this.#context, this.#timeouts)
    this.#state = { kind: 'telling', lost: side, verdict, linger }
    this.#tell()
  }

  /** Ends when both descriptors are closed. */
  check(): void {
    const state = this.#state
    if (state.kind === 'over') return
    if (!this.#downstream.closed || !this.#upstream.closed) {
      if (state.kind === 'telling') this.#tell() // the lost side was read to its end
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
    if (this.#state.kind !== 'copying') return // what is told has the only deadline
    const expiry = this.#deadlines.expired(this, nowMs)
    if (expiry !== null) this.#expire(expiry)
    else if (this.#deadlines.keepaliveDue(nowMs)) this.#keepAlive()
    this.#downstream.probe()
    this.#upstream.probe()
  }

  get halfClosed(): boolean {
    return this.#halfClosed() || this.#finishing
  }

  get clientEnded(): boolean {
    return this.#downstream.readEnded
  }

  heldFor(side: RelaySide): number {
    return this.#side(side).unsentBytes
  }

  /** libuv writes a pending chunk piece by piece. */
  takenBy(side: RelaySide): number {
    return (side === 'upstream' ? this.#bytesUp : this.#bytesDown) + this.#side(side).takenBytes
  }

  descriptorOf(side: RelaySide): number {
    return this.#side(side).socket.descriptor
  }

  #side(side: RelaySide): Side {
    return side === 'upstream' ? this.#upstream : this.#downstream
  }

  #begin(downstream: NetWire, upstream: NetWire, header: Uint8Array | null): void {
    const early = downstream.release()
    const banner = upstream.release()
    this.#downstream.take()
    this.#upstream.take()
    this.#downstream.begin(early.held, early.ended, header)
    this.#upstream.begin(banner.held, banner.ended, null)
  }

  /** Is the other side to be told now? A lost side is closed when it has been read to its end. */
  #tell(): void {
    if (this.#state.kind !== 'telling') return
    const { lost, verdict, linger } = this.#state
    const { peer } = lost
    const heldBytes = lost.closed ? peer.unsentBytes : Math.max(1, peer.unsentBytes)
    const { movedMs } = this.#deadlines
    if (linger.waits(heldBytes, movedMs, peer.socket.descriptor, () => this.#tell())) peer.probe()
    else this.#abort(verdict)
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
    const { idleMs, intervalMs, count } = this.#timeouts.keepalive
    const options = { enable: true, initialDelay: idleMs, interval: intervalMs, count }
    this.#downstream.socket.setKeepAlive(options)
    this.#upstream.socket.setKeepAlive(options)
  }

  #expire({ kind, side, vanished }: Expiry): void {
    const closed: Closed = { first: side === 'upstream' ? 'server' : 'client', how: 'timeout' }
    this.#fail({ kind, side, code: vanished ? 'ETIMEDOUT' : null, closed })
  }
}
