import { formatAddress, type SocketAddress } from '../core/address.ts'
import { type Cause, type EndedBy, failures, type Outcome, type Phase } from '../core/outcome.ts'
import type { EndpointSnapshot, PoolSnapshot } from '../core/snapshot.ts'
import {
  add,
  closedCell,
  durationHistogram,
  listenerCell,
  listenerField,
  observe,
  workerCell,
} from '../core/tally.ts'
import type { Cancel, Relay, RelayEnd, Wire } from '../plane/plane.ts'
import { proxyHeader } from '../protocol/proxy-header.ts'
import type { SessionStory, SessionView } from './connection-view.ts'
import type { Route, SessionContext } from './context.ts'
import { type DialOwner, PoolDial, type PoolDialed } from './dial.ts'
import type { LiveSession } from './live.ts'
import type { Waiter } from './queue.ts'
import { Relaying, type RelayingOwner } from './relaying.ts'
import type { Connected } from './round.ts'

/**
 * The story of a connection: counted, queued while its pool is full, connected to an endpoint, relayed, told. Whatever has to
 * be read of the client before an endpoint is chosen comes ahead of begin(), as a state before `dialing`.
 */
export function serve<W extends Wire>(context: SessionContext<W>, route: Route, downstream: W): void {
  const session = new Session(context, route, downstream)
  session.open()
  session.begin()
}

type State<W extends Wire> = Reaching<W> | Relaying<W> | { readonly kind: 'over' }

/** No endpoint is reached. `queued`: it waits in the pool's queue, or there was no room in it. */
interface Reaching<W extends Wire> {
  readonly kind: 'queued' | 'dialing'
  readonly dial: PoolDial<W>
  /** Ends the watch for a client that resets. */
  readonly unwatch: Cancel
}

const over = { kind: 'over' } as const
const none: Outcome['attempts'] = []
/** Of a log line; a connection that dials for ten seconds makes about fifteen rounds. */
const maxLogged = 32

/** What a RelayEnd says that an Outcome repeats. */
type End = Pick<RelayEnd, 'bytesUp' | 'bytesDown' | 'closed'>

const byReset: End = { bytesUp: 0, bytesDown: 0, closed: { first: 'proxy', how: 'rst' } }
const byKill: End = { bytesUp: 0, bytesDown: 0, closed: { first: 'proxy', how: 'kill' } }
const byClient: End = { bytesUp: 0, bytesDown: 0, closed: { first: 'client', how: 'rst' } }

class Session<W extends Wire> implements LiveSession, DialOwner<W>, Waiter, RelayingOwner {
  seat = -1
  readonly #context: SessionContext<W>
  readonly #route: Route
  readonly #downstream: W
  readonly number: number
  readonly #startMs: number
  #client: SocketAddress | null
  #attempts: Outcome['attempts'] = none
  /** Of the dial that connected, where `attempts` has only those that failed; -1: it has all. */
  #dialMs = -1
  #state: State<W>

  constructor(context: SessionContext<W>, route: Route, downstream: W) {
    this.#context = context
    this.#route = route
    this.#downstream = downstream
    this.number = context.nextNumber()
    this.#startMs = context.plane.now()
    // For the log at once: a wire that was reset may not know it any more.
    this.#client = route.snapshot.access === 'none' ? null : downstream.remote
    const unwatch = downstream.onReset(() => this.#unserved('client', byClient))
    this.#state = { kind: 'dialing', dial: new PoolDial(context, route, this), unwatch }
  }

  /** Who the client is, for everyone who asks; nobody asks the wire. Many connections end without. */
  get client(): SocketAddress {
    this.#client ??= this.#downstream.remote
    return this.#client
  }

  get relay(): Relay | null {
    return this.#state.kind === 'relaying' ? this.#state.relay : null
  }

  get slot(): number {
    return this.#state.kind === 'relaying' ? this.#state.endpoint.slot : -1
  }

  open(): void {
    const { row, live } = this.#context
    const cells = listenerCell(this.#route.listener.slot)
    add(row, workerCell.active, 1)
    add(row, cells + listenerField.accepted, 1)
    add(row, cells + listenerField.active, 1)
    live.add(this)
  }

  begin(): void {
    const { retries, queue } = this.#route.state
    retries.began(this.#context.plane.now())
    // Whoever waits was here first.
    if (queue.size > 0) this.#wait()
    else if (this.#state.kind === 'dialing') this.#state.dial.begin()
  }

  view(): SessionView {
    const state = this.#state
    const relaying = state.kind === 'relaying' ? state : null
    return {
      number: this.number,
      startMs: this.#startMs,
      listener: this.#route.listener.name,
      pool: this.#route.pool.name,
      client: this.client,
      endpoint: relaying?.endpoint.id ?? null,
      state: relaying !== null ? 'data' : state.kind === 'queued' ? 'queue' : 'connect',
      relay: this.relay,
    }
  }

  story(): SessionStory {
    const { endpoint, ...view } = this.view()
    const last = endpoint === null || this.#dialMs < 0 ? [] : [{ endpoint, ms: this.#dialMs, error: null }]
    const sinceMs = this.#state.kind === 'relaying' ? this.#state.sinceMs : null
    const connectMs = sinceMs === null ? null : sinceMs - this.#startMs
    return { ...view, endpoint, attempts: [...this.#attempts, ...last], connectMs }
  }

  /**
   * A new array each time is one of the right size: growing one leaves room for seventeen. Where no line will be
   * written, the one dial of a connection that had no trouble is a number.
   */
  attempted({ id }: EndpointSnapshot, ms: number, error: string | null): void {
    if (error === null && this.#route.snapshot.access === 'none') this.#dialMs = ms
    else if (this.#attempts.length < maxLogged) this.#keep(id, ms, error)
  }

  #keep(id: string, ms: number, error: string | null): void {
    this.#attempts = [...this.#attempts, { endpoint: id, ms, error }]
  }

  dialed(result: PoolDialed<W>): void {
    switch (result.kind) {
      case 'connected':
        this.#relay(result)
        return
      case 'full':
        this.#wait()
        return
      case 'exhausted':
        this.#unserved(result.cause, byReset)
        return
    }
  }

  proceed(): boolean {
    const state = this.#state
    if (state.kind !== 'queued') return true
    const { dial, unwatch } = state
    const round = dial.choose()
    if (round === null) return false
    this.#setState({ kind: 'dialing', dial, unwatch })
    dial.resume(round)
    return true
  }

  expired(): void {
    this.#unserved('resource', byReset)
  }

  kill(cause: EndedBy): void {
    if (this.#state.kind === 'relaying') this.#state.kill(cause)
    else this.#unserved(cause, byKill)
  }

  finish(cause: EndedBy): void {
    if (this.#state.kind === 'relaying') this.#state.finish(cause)
  }

  drop(): void {
    const state = this.#state
    this.#setState(over)
    switch (state.kind) {
      case 'queued':
      case 'dialing':
        state.dial.cancel()
        this.#downstream.reset()
        return
      case 'relaying':
        state.relay.kill()
        return
      case 'over':
        return
    }
  }

  ended(end: RelayEnd): void {
    const state = this.#state
    if (state.kind !== 'relaying') return
    const phase = end.halfClosed && end.kind !== 'clean' ? 'half-closed' : 'data'
    this.#close(state.leave(end), phase, end, state)
  }

  /** Who stops waiting leaves the queue. */
  #setState(state: State<W>): void {
    const before = this.#state
    this.#state = state
    if (before.kind === 'queued') this.#route.state.queue.leave(this)
  }

  #wait(): void {
    const state = this.#state
    if (state.kind !== 'dialing') return
    const { dial, unwatch } = state
    this.#setState({ kind: 'queued', dial, unwatch })
    const { queue } = this.#route.state
    if (queue.enter(this)) queue.look()
    else this.#unserved('resource', byReset)
  }

  /** What has dialed is let go: a connection may last for days. */
  #relay(connected: Connected<W>): void {
    const state = this.#state
    if (state.kind !== 'dialing') return
    state.unwatch()
    const header = this.#header(connected.pool)
    if (this.#route.snapshot.logConnect) this.#tellConnected(connected)
    this.#setState(new Relaying(this.#context, this.#route, this.#downstream, connected, header, this))
  }

  /** Ahead of the relay: its end is told later. */
  #tellConnected({ pool, endpoint }: Connected<W>): void {
    this.#context.reports.connected({
      id: this.#id(),
      listener: this.#route.listener.name,
      client: formatAddress(this.client),
      pool: pool.name,
      endpoint: endpoint.id,
      attempts: this.#attempts,
      connectMs: this.#context.plane.now() - this.#startMs,
    })
  }

  #header({ proxyProtocol }: PoolSnapshot): Uint8Array | null {
    if (proxyProtocol === 'off') return null
    return proxyHeader(proxyProtocol, this.client, this.#downstream.local, this.#id()) // two system calls
  }

  /** No endpoint was reached: an end that is not clean must not look clean, so the client gets RST. */
  #unserved(cause: Cause, end: End): void {
    const state = this.#state
    if (state.kind !== 'queued' && state.kind !== 'dialing') return
    state.dial.cancel()
    state.unwatch()
    this.#downstream.reset()
    this.#close(cause, state.kind === 'queued' ? 'queue' : 'connect', end, null)
  }

  /** `reached`: null when no endpoint was. */
  #close(cause: Cause, phase: Phase, end: End, reached: Relaying<W> | null): void {
    this.#setState(over)
    const { row, live, plane } = this.#context
    const { listener, state, snapshot } = this.#route
    const durationMs = plane.now() - this.#startMs
    live.remove(this)
    add(row, workerCell.active, -1)
    add(row, listenerCell(listener.slot) + listenerField.active, -1)
    add(row, closedCell(listener.slot, cause, phase), 1)
    observe(row, durationHistogram, durationMs / 1000)
    if (state.queue.size > 0) state.queue.look()
    if (snapshot.access === 'none' || (snapshot.access === 'errors' && cause === 'none')) return
    if (!snapshot.logEmpty && end.bytesUp + end.bytesDown === 0 && !failures.has(cause)) return
    this.#context.reports.outcome({
      id: this.#id(),
      listener: listener.name,
      client: formatAddress(this.client),
      endpoint: reached === null ? null : reached.endpoint.id,
      attempts: this.#attempts,
      connectMs: reached === null ? null : reached.sinceMs - this.#startMs,
      durationMs,
      bytesUp: end.bytesUp,
      bytesDown: end.bytesDown,
      cause,
      phase,
      closed: end.closed,
      pool: this.#route.pool.name,
      firstByteMs: reached === null ? null : reached.firstByteMs,
      look: reached === null ? null : reached.look,
    })
  }

  /** Made when someone asks: most connections are short, and the others many. */
  #id(): string {
    return this.#context.idOf(this.number)
  }
}
