import type { Closed } from '../../core/outcome.ts'
import type { TcpPair } from '../../core/tcp-view.ts'
import {
  closerOf,
  Deadlines,
  hasVanished,
  type RelayFailure,
  type RelaySide,
  type Swept,
} from '../deadlines.ts'
import { Linger, type LingerContext } from '../linger.ts'
import type { Relay, RelayCounts, RelayEnd, RelayOptions, RelayOwner, RelayTimeouts } from '../plane.ts'
import type { Sweepable, Sweeper } from '../sweeper.ts'
import type { TakeError } from './handle.ts'
import { Side, type SideOwner } from './side.ts'
import type { NetWire } from './wire.ts'

export interface RelayContext extends LingerContext {
  readonly sweeper: Sweeper
  readonly takeError: TakeError | null
}

type Ending = Pick<RelayEnd, 'kind' | 'side' | 'code' | 'halfClosed'>

/**
 * Bytes or FINs are still to come, from both sides or from one. `finishing`: FIN went to both by our own
 * hand.
 */
type Open = { readonly kind: 'copying' } | { readonly kind: 'finishing' }

type State =
  | Open
  /** A side was lost. The other is told by RST when it has acknowledged all that is its own. */
  | {
      readonly kind: 'telling'
      readonly lost: Side
      readonly ending: Ending
      readonly linger: Linger
      readonly before: Open
    }
  /** Both are reset. */
  | { readonly kind: 'failed'; readonly ending: Ending }
  | { readonly kind: 'over' }

const copying: Open = { kind: 'copying' }
const finishing: Open = { kind: 'finishing' }
const over: State = { kind: 'over' }

/** Two sides, each reading for the other, from the hand-over until both descriptors are closed. */
export class NetRelay implements Relay, Sweepable, SideOwner, Swept {
  seat = -1
  readonly #deadlines: Deadlines
  readonly #owner: RelayOwner
  #bytesUp = 0
  #bytesDown = 0
  readonly #context: RelayContext
  readonly #downstream: Side
  readonly #upstream: Side
  #first: Closed | null = null
  #state: State = copying
  /** The owner has been told that it is closing. */
  #looked = false

  constructor(context: RelayContext, downstream: NetWire, upstream: NetWire, options: RelayOptions) {
    this.#context = context
    this.#owner = options.owner
    this.#deadlines = new Deadlines(options.timeouts, context.sight, context.now())
    this.#downstream = new Side(this, 'downstream', downstream.socket)
    this.#upstream = new Side(this, 'upstream', upstream.socket)
    this.#downstream.peer = this.#upstream
    this.#upstream.peer = this.#downstream
    context.sweeper.add(this)
    // With a header: bytes that the client has sent are in this turn's reads at the latest, and join it in
    // one write.
    const { header } = options
    if (header === null) this.#begin(downstream, upstream, header)
    else setImmediate(() => this.#begin(downstream, upstream, header))
  }

  idleMs(nowMs: number): number {
    return this.#deadlines.idleMs(nowMs)
  }

  counts(): RelayCounts {
    return {
      bytesUp: this.#bytesUp,
      bytesDown: this.#bytesDown,
      heldUp: this.heldFor('upstream'),
      heldDown: this.heldFor('downstream'),
      halfClosed: this.halfClosed,
    }
  }

  tcp(): TcpPair {
    const view = (side: RelaySide) => this.#context.sight?.view(this.descriptorOf(side)) ?? null
    return { client: view('downstream'), endpoint: view('upstream') }
  }

  get sweepMs(): number {
    return this.#deadlines.sweepMs
  }

  finish(): void {
    if (this.#state.kind !== 'copying') return
    this.#setState(finishing)
    this.#first ??= { first: 'proxy', how: 'fin' }
    this.#deadlines.moved(this.#context.now())
    this.#downstream.seal()
    this.#upstream.seal()
  }

  kill(): void {
    this.fail({ kind: 'killed', side: null, code: null, closed: { first: 'proxy', how: 'kill' } })
  }

  guard(): void {}

  /** Node gives no socket away. */
  detach(): null {
    return null
  }

  moved(from: 'downstream' | 'upstream', count: number): void {
    const nowMs = this.#context.now()
    this.#deadlines.moved(nowMs)
    if (from === 'downstream') {
      this.#bytesUp += count
      this.#owner.up(count, nowMs)
    } else {
      this.#bytesDown += count
      this.#owner.down(count, nowMs)
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
    this.#first ??= { first: closerOf(side.name), how: 'fin' }
    if (side.name === 'upstream') this.#owner.upstreamEnded()
    const state = this.#state
    // Both have ended cleanly: the reset that came after one of the FINs concerns nobody.
    if (state.kind === 'telling' && state.ending.code === 'EPIPE' && this.#bothEnded())
      this.#setState(state.before)
    // libuv closes a socket by itself once its FIN has gone too: this is the last time that both are there.
    if (this.#bothEnded()) this.#closing(this.#state.kind === 'copying')
  }

  lost(side: Side, error: NodeJS.ErrnoException): void {
    const before = this.#state
    if (before.kind === 'telling') this.#abort(before.ending) // nobody is left who could be told
    if (before.kind !== 'copying' && before.kind !== 'finishing') return
    const vanished = hasVanished(error.code)
    const ended = error.code === 'EPIPE'
    if (ended && this.#bothEnded()) return
    this.#first ??= { first: closerOf(side.name), how: vanished ? 'timeout' : ended ? 'fin' : 'rst' }
    const ending: Ending = {
      kind: vanished ? 'idle' : 'reset',
      side: side.name,
      code: error.code ?? 'ECONNRESET',
      halfClosed: ended || this.#halfClosed(),
    }
    this.#closing(false)
    const linger = new Linger(this.#context, this.#deadlines.timeouts)
    this.#setState({ kind: 'telling', lost: side, ending, linger, before })
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
    this.#setState(over)
    this.#context.sweeper.remove(this)
    const end: RelayEnd = {
      ...this.#endingOf(state),
      bytesUp: this.#bytesUp,
      bytesDown: this.#bytesDown,
      closed: this.#first ?? { first: 'proxy', how: 'fin' },
    }
    queueMicrotask(() => this.#owner.ended(end)) // never before the caller has its Relay
  }

  sweep(nowMs: number): void {
    const { kind } = this.#state
    if (kind !== 'copying' && kind !== 'finishing') return // what is told has the only deadline
    this.#deadlines.sweep(this, nowMs)
    this.#downstream.probe()
    this.#upstream.probe()
  }

  fail({ kind, side, code, closed }: RelayFailure): void {
    const state = this.#state
    if (state.kind === 'over' || state.kind === 'failed') return
    this.#first ??= closed
    const ending: Ending = { kind, side, code, halfClosed: this.#halfClosed() }
    this.#abort(state.kind === 'telling' ? state.ending : ending)
  }

  keepAlive({ idleMs, intervalMs, count }: RelayTimeouts['keepalive']): void {
    const options = { enable: true, initialDelay: idleMs, interval: intervalMs, count }
    this.#downstream.socket.setKeepAlive(options)
    this.#upstream.socket.setKeepAlive(options)
  }

  get halfClosed(): boolean {
    return this.#halfClosed() || this.#state.kind === 'finishing'
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
    const { lost, ending, linger } = this.#state
    const { peer } = lost
    const heldBytes = lost.closed ? peer.unsentBytes : Math.max(1, peer.unsentBytes)
    const { movedMs } = this.#deadlines
    if (linger.waits(heldBytes, movedMs, peer.socket.descriptor, () => this.#tell())) peer.probe()
    else this.#abort(ending)
  }

  #endingOf(state: Exclude<State, { readonly kind: 'over' }>): Ending {
    switch (state.kind) {
      case 'copying':
        return { kind: 'clean', side: null, code: null, halfClosed: this.#halfClosed() }
      case 'finishing':
        return { kind: 'finished', side: null, code: null, halfClosed: this.#halfClosed() }
      case 'telling':
      case 'failed':
        return state.ending
    }
  }

  #closing(clean: boolean): void {
    if (this.#looked) return
    this.#looked = true
    this.#owner.closing(this, clean)
  }

  /** RST to both sides, at once. */
  #abort(ending: Ending): void {
    this.#closing(false)
    this.#setState({ kind: 'failed', ending })
    this.#downstream.abort()
    this.#upstream.abort()
    this.check()
  }

  /** The wait before a reset ends with its state. */
  #setState(state: State): void {
    if (this.#state.kind === 'telling') this.#state.linger.cancel()
    this.#state = state
  }

  #halfClosed(): boolean {
    return this.#downstream.readEnded || this.#upstream.readEnded
  }

  #bothEnded(): boolean {
    return this.#downstream.readEnded && this.#upstream.readEnded
  }
}
