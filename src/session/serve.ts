import { formatAddress, type SocketAddress } from '../core/address.ts'
import type { Cause, Closed, EndedBy, Outcome } from '../core/outcome.ts'
import type { PoolSnapshot } from '../core/snapshot.ts'
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
import type { Route, SessionContext } from './context.ts'
import { type DialOwner, PoolDial, type PoolDialed } from './dial.ts'
import type { LiveSession } from './live.ts'
import type { Waiter } from './queue.ts'
import type { Connected, LoggedAttempt } from './round.ts'
import { Traffic, type TrafficOwner } from './traffic.ts'
import { causeOf } from './verdict.ts'

/**
 * The story of a connection: counted, queued while its pool is full, connected to an endpoint, relayed, told. Whatever has to
 * be read of the client before an endpoint is chosen comes ahead of begin(), as a state before `dialing`.
 */
export function serve<W extends Wire>(context: SessionContext<W>, route: Route, downstream: W): void {
  const session = new Session(context, route, downstream)
  session.open()
  session.begin()
}

type State<W extends Wire> = Reaching<W> | Relaying | { readonly kind: 'over' }

/** No endpoint is reached. `queued`: it waits in the pool's queue, or there was no room in it. */
interface Reaching<W extends Wire> {
  readonly kind: 'queued' | 'dialing'
  readonly dial: PoolDial<W>
  /** Ends the watch for a client that resets. */
  readonly unwatch: Cancel
}

interface Relaying {
  readonly kind: 'relaying'
  readonly relay: Relay
  readonly traffic: Traffic
  /** From accept. */
  readonly connectMs: number
  /** What its end is told as when our own hand was the reason. */
  readonly endedBy: EndedBy
}

const over = { kind: 'over' } as const
const none: readonly LoggedAttempt[] = []
/** Of a log line; a connection that dials for ten seconds makes about fifteen rounds. */
const maxLogged = 32

const byReset: Closed = { first: 'proxy', how: 'rst' }
const byKill: Closed = { first: 'proxy', how: 'kill' }
const byClient: Closed = { first: 'client', how: 'rst' }

/** What an Outcome says of the end, and of the way there. */
type Ending = Omit<Outcome, 'id' | 'listener' | 'client' | 'attempts' | 'durationMs'>

class Session<W extends Wire> implements LiveSession, DialOwner<W>, Waiter, TrafficOwner {
  seat = -1
  readonly #context: SessionContext<W>
  readonly #route: Route
  readonly #downstream: W
  readonly #number: number
  readonly #startMs: number
  #client: SocketAddress | null
  #attempts: readonly LoggedAttempt[] = none
  #state: State<W>

  constructor(context: SessionContext<W>, route: Route, downstream: W) {
    this.#context = context
    this.#route = route
    this.#downstream = downstream
    this.#number = context.nextNumber()
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
    return this.#state.kind === 'relaying' ? this.#state.traffic.endpoint.slot : -1
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

  /** A new array each time is one of the right size: growing one leaves room for seventeen. */
  attempted(attempt: LoggedAttempt): void {
    if (this.#route.snapshot.access === 'none') return
    if (this.#attempts.length < maxLogged) this.#attempts = [...this.#attempts, attempt]
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
    const state = this.#state
    if (state.kind !== 'relaying') {
      this.#unserved(cause, byKill)
      return
    }
    this.#setState({ ...state, endedBy: cause })
    state.relay.kill()
  }

  finish(cause: EndedBy): void {
    const state = this.#state
    if (state.kind !== 'relaying') return
    this.#setState({ ...state, endedBy: cause })
    state.relay.finish()
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
    const { traffic, connectMs, endedBy } = state
    traffic.leave(end)
    const { bytesUp, bytesDown, closed } = end
    const phase = end.halfClosed && end.kind !== 'clean' ? 'half-closed' : 'data'
    const cause = causeOf(end, endedBy)
    this.#close({ endpoint: traffic.endpoint.id, connectMs, bytesUp, bytesDown, cause, phase, closed })
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
    const { plane } = this.#context
    const connectMs = plane.now() - this.#startMs
    const traffic = new Traffic(this.#context, this.#route.listener.slot, connected, this)
    const { timeouts } = this.#route.snapshot
    const options = { header: this.#header(connected.pool), timeouts, owner: traffic }
    const relay = plane.relay(this.#downstream, connected.wire, options)
    this.#setState({ kind: 'relaying', relay, traffic, connectMs, endedBy: 'admin' })
  }

  #header({ proxyProtocol }: PoolSnapshot): Uint8Array | null {
    if (proxyProtocol === 'off') return null
    return proxyHeader(proxyProtocol, this.client, this.#downstream.local, this.#id()) // two system calls
  }

  /** No endpoint was reached: an end that is not clean must not look clean, so the client gets RST. */
  #unserved(cause: Cause, closed: Closed): void {
    const state = this.#state
    if (state.kind !== 'queued' && state.kind !== 'dialing') return
    state.dial.cancel()
    state.unwatch()
    this.#downstream.reset()
    const phase = state.kind === 'queued' ? 'queue' : 'connect'
    this.#close({ endpoint: null, connectMs: null, bytesUp: 0, bytesDown: 0, cause, phase, closed })
  }

  #close(ending: Ending): void {
    this.#setState(over)
    const { row, live, plane } = this.#context
    const { listener, state } = this.#route
    const durationMs = plane.now() - this.#startMs
    live.remove(this)
    add(row, workerCell.active, -1)
    add(row, listenerCell(listener.slot) + listenerField.active, -1)
    add(row, closedCell(listener.slot, ending.cause, ending.phase), 1)
    observe(row, durationHistogram, durationMs / 1000)
    if (state.queue.size > 0) state.queue.look()
    this.#tell(ending, durationMs)
  }

  #tell(ending: Ending, durationMs: number): void {
    const { listener, snapshot } = this.#route
    const { access } = snapshot
    if (access === 'none' || (access === 'errors' && ending.cause === 'none')) return
    const { endpoint, connectMs, bytesUp, bytesDown, cause, phase, closed } = ending
    this.#context.reports.outcome({
      id: this.#id(),
      listener: listener.name,
      client: formatAddress(this.client),
      endpoint,
      attempts: this.#attempts,
      connectMs,
      durationMs,
      bytesUp,
      bytesDown,
      cause,
      phase,
      closed,
    })
  }

  /** Made when someone asks: most connections are short, and the others many. */
  #id(): string {
    return this.#context.idOf(this.#number)
  }
}
