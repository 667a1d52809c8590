import type { Closed } from '../../core/outcome.ts'
import type { TcpPair } from '../../core/tcp-view.ts'
import { EPOLLERR } from '../../linux/constants.ts'
import { ECONNRESET, EPIPE, errnoName } from '../../linux/errno.ts'
import {
  closerOf,
  Deadlines,
  hasVanished,
  type RelayFailure,
  type RelaySide,
  type Swept,
} from '../deadlines.ts'
import { Linger, type LingerContext } from '../linger.ts'
import type {
  Detached,
  Relay,
  RelayCounts,
  RelayEnd,
  RelayOptions,
  RelayOwner,
  RelayTimeouts,
} from '../plane.ts'
import type { Sweepable, Sweeper } from '../sweeper.ts'
import { cookiesOf, countersAgree } from './counters.ts'
import { Pump, type PumpOwner, type PumpShared } from './pump.ts'
import type { Owner, SpliceWire } from './wire.ts'

export interface RelayContext extends PumpShared, LingerContext {
  readonly now: () => number
  readonly sweeper: Sweeper
}

interface Lost {
  readonly wire: SpliceWire
  readonly verdict: RelayFailure
  readonly linger: Linger
}

/** Two pumps, from the hand-over until both descriptors are closed. */
export class SpliceRelay implements Relay, Owner, PumpOwner, Sweepable, Swept {
  seat = -1
  readonly #context: RelayContext
  readonly #deadlines: Deadlines
  readonly #owner: RelayOwner
  readonly #up: Pump
  readonly #down: Pump
  #bytesUp = 0
  #bytesDown = 0
  /** Bytes ahead of the client's, and those that were dropped ahead of them. */
  #headerBytes = 0
  #prefaceBytes = 0
  #finishing = false
  #first: Closed | null = null
  /** A side that is gone, while the other one still gets what it had sent. */
  #lost: Lost | null = null
  #over = false
  /** Its sockets send RST when they are closed. */
  #guarded = false
  #waiting = false
  #toldLasting = false

  constructor(context: RelayContext, downstream: SpliceWire, upstream: SpliceWire, options: RelayOptions) {
    this.#context = context
    this.#owner = options.owner
    this.#deadlines = new Deadlines(options.timeouts, context.sight, context.now())
    this.#up = new Pump(context, this, downstream, upstream)
    this.#down = new Pump(context, this, upstream, downstream)
    downstream.handTo(this)
    upstream.handTo(this)
    context.sweeper.add(this)
    if (options.past !== null) {
      this.#resume(options.past)
      return
    }
    this.#prefaceBytes = downstream.discarded
    if (options.header !== null) {
      this.#headerBytes = options.header.length
      this.#up.begin(options.header)
    }
    this.#runBoth()
    if (this.#lost !== null) this.#settle()
  }

  /**
   * Goes on where it was detached. The poller tells at once what is there, so nothing moves before the next
   * batch.
   */
  #resume(past: Detached): void {
    const { relay, heldUp, heldDown, descriptors } = past
    const { poller, pipes } = this.#context
    this.#headerBytes = relay.headerBytes
    this.#prefaceBytes = relay.prefaceBytes
    this.#bytesUp = relay.bytesUp
    this.#bytesDown = relay.bytesDown
    this.#finishing = relay.finishing
    this.#first = relay.first
    const ends = descriptors.slice(2)
    this.#up.resume(relay.up, heldUp, pipes.adopt(relay.up.pipeBytes, ends))
    this.#down.resume(relay.down, heldDown, pipes.adopt(relay.down.pipeBytes, ends))
    this.#deadlines.resume(this, relay, this.#context.now())
    for (const wire of [this.#up.from, this.#up.to]) {
      const watched = poller.watch(wire.fd, wire)
      if (watched < 0) poller.later(() => this.failed(wire, watched))
    }
    this.again() // what it was about to do when it was detached
    poller.later(() => this.#last())
  }

  guard(): void {
    if (this.#over || this.#guarded) return
    this.#guarded = true
    for (const { fd } of [this.#up.from, this.#up.to]) this.#context.libc.resetOnClose(fd)
  }

  detach(): Detached | null {
    if (this.#over || this.#lost !== null) return null
    const { from: downstream, to: upstream } = this.#up
    const nowMs = this.#context.now()
    const past = this.#deadlines.past(nowMs)
    const wires = { downstream: downstream.facts, upstream: upstream.facts }
    const ahead = { headerBytes: this.#headerBytes, prefaceBytes: this.#prefaceBytes }
    const agree = countersAgree(this.#context.libc, this.#up, this.#down, ahead)
    this.#over = true
    this.#context.sweeper.remove(this)
    // Muted before anything else: a descriptor that another process has is told of as long as it is watched.
    const sockets = [downstream.detach(), upstream.detach()]
    const [up, down] = [this.#up.detach(), this.#down.detach()]
    return {
      relay: {
        up: up.facts,
        down: down.facts,
        ...wires,
        bytesUp: this.#bytesUp,
        bytesDown: this.#bytesDown,
        ...ahead,
        countersAgree: agree,
        finishing: this.#finishing,
        first: this.#first,
        ...past,
      },
      descriptors: [...sockets, ...up.ends, ...down.ends],
      heldUp: up.memory,
      heldDown: down.memory,
    }
  }

  ready(wire: SpliceWire, events: number): void {
    if ((events & EPOLLERR) !== 0) this.#broken(wire)
    if (this.#over) return
    this.#runBoth()
    if (this.#lost !== null) this.#settle()
  }

  /**
   * What a wire has sent goes one way, what it can take comes the other: mostly only one of them has anything
   * to do.
   */
  #runBoth(): void {
    if (this.#up.hasWork) this.#up.run()
    if (!this.#over && this.#down.hasWork) this.#down.run()
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
    if (this.#over || this.#finishing || this.#lost !== null) return
    this.#finishing = true
    this.#first ??= { first: 'proxy', how: 'fin' }
    this.#deadlines.moved(this.#context.now())
    this.#up.seal()
    if (!this.#over) this.#down.seal()
  }

  kill(): void {
    this.fail(
      this.#lost?.verdict ?? {
        kind: 'killed',
        side: null,
        code: null,
        closed: { first: 'proxy', how: 'kill' },
      },
    )
  }

  moved(pump: Pump, count: number): void {
    const nowMs = this.#context.now()
    this.#deadlines.moved(nowMs)
    if (pump === this.#up) {
      this.#bytesUp += count
      this.#owner.up(count, nowMs)
    } else {
      this.#bytesDown += count
      this.#owner.down(count, nowMs)
    }
  }

  held(delta: number): void {
    this.#owner.buffered(delta)
  }

  sourceEnded(pump: Pump): void {
    this.#deadlines.moved(this.#context.now())
    this.#first ??= { first: pump === this.#up ? 'client' : 'server', how: 'fin' }
    if (pump === this.#down) this.#owner.upstreamEnded()
  }

  /**
   * This peer is gone: it takes nothing more. What it sent before, its FIN included if there was one (EPIPE:
   * it came before the reset), goes on to the other one, and when that has acknowledged all of it, it is told
   * by RST. Both gone: nobody is left to tell. Our own trouble ends everything at once.
   */
  failed(wire: SpliceWire, errno: number): void {
    if (this.#over) return
    if (wire.error === 0) wire.error = -errno
    if (this.#lost?.wire === wire) return
    const side = wire === this.#up.to ? 'upstream' : 'downstream'
    const code = errnoName(errno === EPIPE ? ECONNRESET : errno)
    const vanished = hasVanished(code)
    const kind = vanished ? 'idle' : local.has(code) ? 'fault' : 'reset'
    const how = vanished ? 'timeout' : errno === EPIPE ? 'fin' : 'rst'
    const verdict: RelayFailure = { kind, side, code, closed: { first: closerOf(side), how } }
    if (kind === 'fault' || this.#lost !== null) {
      this.fail(this.#lost?.verdict ?? verdict)
      return
    }
    this.#first ??= verdict.closed
    this.#lost = { wire, verdict, linger: new Linger(this.#context, this.#deadlines.timeouts) }
    const towards = wire === this.#up.to ? this.#up : this.#down
    towards.breakOff()
    this.again()
  }

  over(): void {
    if (this.#up.over && this.#down.over) {
      this.#close({
        kind: this.#finishing ? 'finished' : 'clean',
        side: null,
        code: null,
        closed: { first: 'proxy', how: 'fin' },
      })
    }
  }

  /** Once a batch, whoever asks: a run of both pumps may ask twice, and two runs would ask four times. */
  again(): void {
    if (this.#waiting) return
    this.#waiting = true
    this.#context.poller.laterAbout(this.#up.from, () => {
      this.#waiting = false
      if (!this.#over) this.#runBoth()
      if (this.#lost !== null) this.#settle()
    })
  }

  get closesInstead(): boolean {
    return this.#up.over || this.#down.over
  }

  sweep(nowMs: number): void {
    if (this.#lost !== null) return // #settle() has the only deadline
    if (!this.#toldLasting) this.#last()
    this.#deadlines.sweep(this, nowMs)
  }

  #last(): void {
    if (this.#over || this.#toldLasting) return
    this.#toldLasting = true
    const cookies = cookiesOf(this.#context.libc, this.#up)
    const ahead = { headerBytes: this.#headerBytes, prefaceBytes: this.#prefaceBytes }
    if (cookies !== null) this.#owner.lasting({ ...cookies, ...ahead })
  }

  get halfClosed(): boolean {
    return this.#up.ended || this.#down.ended || this.#finishing
  }

  get clientEnded(): boolean {
    return this.#up.ended
  }

  heldFor(side: RelaySide): number {
    return this.#towards(side).heldBytes
  }

  takenBy(side: RelaySide): number {
    return side === 'upstream' ? this.#bytesUp : this.#bytesDown
  }

  descriptorOf(side: RelaySide): number {
    return this.#towards(side).to.fd.n
  }

  #towards(side: RelaySide): Pump {
    return side === 'upstream' ? this.#up : this.#down
  }

  /**
   * Reads first: what came before the error is there, and read to its end it tells of the error, or of the
   * FIN before it.
   */
  #broken(wire: SpliceWire): void {
    const from = wire === this.#up.from ? this.#up : this.#down
    from.run()
    if (this.#over || this.#lost?.wire === wire) return
    // Held back behind what the other side does not take, or told by a FIN that came first.
    const error = wire.takeError()
    if (error > 0) this.failed(wire, -error)
  }

  /** One side is gone: over as soon as the other one has acknowledged everything, or takes too long. */
  #settle(): void {
    const lost = this.#lost
    if (lost === null || this.#over) return
    const from = lost.wire === this.#up.from ? this.#up : this.#down
    const heldBytes = from.spent ? 0 : Math.max(1, from.heldBytes)
    if (lost.linger.waits(heldBytes, this.#deadlines.movedMs, from.to.fd.n, () => this.#settle())) return
    this.fail(lost.verdict)
  }

  #halfClosed(): boolean {
    return this.#up.ended || this.#down.ended
  }

  keepAlive(options: RelayTimeouts['keepalive']): void {
    for (const wire of [this.#up.from, this.#up.to]) wire.keepAlive(options)
  }

  fail(verdict: RelayFailure): void {
    if (this.#over) return
    const { libc } = this.#context
    libc.resetOnClose(this.#up.from.fd)
    libc.resetOnClose(this.#up.to.fd)
    this.#close(verdict)
    this.#up.from.close() // nothing waits for these, and a thread that dies has no later
    this.#up.to.close()
  }

  /**
   * Ends the relay, once. The sockets are closed when the batch is over, if they are not before: two close()
   * with their FIN take some 30 µs, in which others of the batch would wait for their first bytes.
   */
  #close(verdict: RelayFailure): void {
    if (this.#over) return
    this.#over = true
    this.#lost?.linger.cancel()
    const halfClosed = this.#halfClosed()
    this.#owner.closing(this, verdict.kind === 'clean')
    this.#context.sweeper.remove(this)
    this.#up.release()
    this.#down.release()
    const { from, to } = this.#up
    const isProper = verdict.kind === 'clean' || verdict.kind === 'finished'
    if (this.#guarded && isProper) for (const { fd } of [from, to]) this.#context.libc.endOnClose(fd)
    from.release()
    to.release()
    const end: RelayEnd = {
      kind: verdict.kind,
      side: verdict.side,
      code: verdict.code,
      halfClosed,
      bytesUp: this.#bytesUp,
      bytesDown: this.#bytesDown,
      closed: this.#first ?? verdict.closed,
    }
    this.#context.poller.later(() => {
      from.close()
      to.close()
      this.#owner.ended(end) // never before the caller has its Relay
    })
  }
}

/** Errors that are our own. */
const local = new Set(['EBADF', 'EINVAL', 'ENOMEM', 'ENOBUFS', 'EFAULT'])
