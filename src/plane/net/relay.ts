import type { Closed } from '../../core/outcome.ts'
import { Deadlines, type Expiry, type RelaySide, type Timed } from '../deadlines.ts'
import type { Relay, RelayEnd, RelayOptions, RelayOwner, RelayTimeouts } from '../plane.ts'
import type { Sight } from '../sight.ts'
import type { Sweepable, Sweeper } from '../sweeper.ts'
import { Side, type SideOwner } from './side.ts'
import type { NetWire } from './wire.ts'

export interface RelayContext {
  readonly now: () => number
  readonly sweeper: Sweeper
  /** null: this host's kernel cannot be asked. */
  readonly sight: Sight | null
}

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
  #verdict: Pick<RelayEnd, 'kind' | 'side' | 'code' | 'halfClosed'> | null = null
  #finishing = false
  #over = false

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
    if (this.#over || this.#finishing) return
    this.#finishing = true
    this.#first ??= { first: 'proxy', how: 'fin' }
    this.#deadlines.moved(this.#context.now())
    this.#downstream.seal()
    this.#upstream.seal()
  }

  kill(): void {
    this.fail({ kind: 'killed', side: null, code: null, closed: { first: 'proxy', how: 'kill' } })
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

  finRead(side: Side): void {
    this.#deadlines.moved(this.#context.now())
    this.#first ??= { first: side.name === 'downstream' ? 'client' : 'server', how: 'fin' }
    if (side.name === 'upstream') this.#owner.upstreamEnded()
  }

  /** Ends both sides with RST. Only the first call counts. */
  fail(end: Parameters<SideOwner['fail']>[0]): void {
    if (this.#over || this.#verdict !== null) return
    this.#verdict = { kind: end.kind, side: end.side, code: end.code, halfClosed: this.#halfClosed() }
    this.#first ??= end.closed
    this.#downstream.abort()
    this.#upstream.abort()
    this.check()
  }

  /** Ends when both descriptors are closed. */
  check(): void {
    if (this.#over || !this.#downstream.closed || !this.#upstream.closed) return
    this.#over = true
    this.#context.sweeper.remove(this)
    const kind = this.#finishing ? 'finished' : 'clean'
    const verdict = this.#verdict ?? { kind, side: null, code: null, halfClosed: this.#halfClosed() }
    const end: RelayEnd = {
      ...verdict,
      bytesUp: this.#bytesUp,
      bytesDown: this.#bytesDown,
      closed: this.#first ?? { first: 'proxy', how: 'fin' },
    }
    queueMicrotask(() => this.#owner.ended(end)) // never before the caller has its Relay
  }

  sweep(nowMs: number): void {
    const expiry = this.#deadlines.expired(this, nowMs)
    if (expiry !== null) this.#expire(expiry)
    else if (this.#deadlines.keepaliveDue(nowMs)) this.#keepAlive()
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

  #halfClosed(): boolean {
    return this.#downstream.readEnded || this.#upstream.readEnded
  }

  #keepAlive(): void {
    const { idleMs, intervalMs, count } = this.#timeouts.keepalive
    const options = { enable: true, initialDelay: idleMs, interval: intervalMs, count }
    this.#downstream.socket.setKeepAlive(options)
    this.#upstream.socket.setKeepAlive(options)
  }

  #expire({ kind, side, vanished }: Expiry): void {
    const closed: Closed = { first: side === 'upstream' ? 'server' : 'client', how: 'timeout' }
    this.fail({ kind, side, code: vanished ? 'ETIMEDOUT' : null, closed })
  }
}
