import type { Closed } from '../../core/outcome.ts'
import type { Relay, RelayEnd, RelayOptions, RelayOwner, RelayTimeouts } from '../plane.ts'
import type { Sweepable, Sweeper } from '../sweeper.ts'
import { Side, type SideOwner } from './side.ts'
import type { NetWire } from './wire.ts'

/** Keepalive is set on connections that have lived this long: shorter ones need none and save eight system calls. */
const keepaliveAfterMs = 5_000
/** Deadlines may be late by a tenth, but are not looked at more often than every 10 ms or less often than every second. */
const sweepShare = 10
const sweepBoundsMs = { least: 10, most: 1_000 } as const

export interface RelayContext {
  readonly now: () => number
  readonly sweeper: Sweeper
}

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
  #verdict: Pick<RelayEnd, 'kind' | 'side' | 'code' | 'halfClosed'> | null = null
  #finishing = false
  #over = false
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
    if (this.#over || this.#finishing) return
    this.#finishing = true
    this.#first ??= { first: 'proxy', how: 'fin' }
    this.#movedMs = this.#context.now()
    this.#downstream.seal()
    this.#upstream.seal()
  }

  kill(): void {
    this.fail({ kind: 'killed', side: null, code: null, closed: { first: 'proxy', how: 'kill' } })
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
    this.fail({ kind, side, code: null, closed })
  }
}
