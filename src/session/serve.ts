import { formatAddress, type SocketAddress } from '../core/address.ts'
import type { Cause, Closed, EndedBy, Phase } from '../core/outcome.ts'
import type { EndpointSnapshot, PoolSnapshot } from '../core/snapshot.ts'
import {
  add,
  closedCell,
  durationHistogram,
  endpointCell,
  endpointField,
  listenerCell,
  listenerField,
  observe,
  staleCell,
  workerCell,
} from '../core/tally.ts'
import type { Cancel, Relay, RelayEnd, RelayOwner, Wire } from '../plane/plane.ts'
import { proxyHeader } from '../protocol/proxy-header.ts'
import type { Route, SessionContext } from './context.ts'
import { type AttemptLog, type Dialing, dialPool, type LoggedAttempt } from './dial.ts'
import type { LiveSession } from './live.ts'
import { causeOf, wasCutOff } from './verdict.ts'
import type { Waiter } from './waiting.ts'
import { wasLost } from './warm.ts'

/** The story of a connection: counted, connected to an endpoint of its pool, relayed, told. Ends at the hand-over. */
export function serve<W extends Wire>(context: SessionContext<W>, route: Route, downstream: W): void {
  const session = new Session(context, route, downstream)
  session.open()
  session.onClientReset(downstream.onReset(() => session.abandon('client')))
  session.onDialing(
    dialPool(context, route, downstream, session, (dialed) => {
      if (dialed.kind === 'exhausted') {
        session.giveUp(dialed.cause, dialed.queued)
        return
      }
      session.connected(dialed.endpoint, dialed.warm)
      const { timeouts } = route.snapshot
      const options = { header: session.header(dialed.pool), timeouts, owner: session }
      session.relaying(context.plane.relay(downstream, dialed.wire, options))
    }),
  )
}

const none: readonly LoggedAttempt[] = []
/** Of a log line; a connection that dials for ten seconds makes about fifteen rounds. */
const maxLogged = 32

/** The flat record of a connection, and the owner of its relay. */
class Session<W extends Wire> implements LiveSession, RelayOwner, AttemptLog {
  seat = -1
  relay: Relay | null = null
  slot = -1
  readonly #context: SessionContext<W>
  readonly #route: Route
  readonly #downstream: W
  readonly #number: number
  readonly #startMs: number
  /** null: nobody will ask. */
  readonly #client: SocketAddress | null
  #attempts: readonly LoggedAttempt[] = none
  #endpoint: EndpointSnapshot | null = null
  #connectMs: number | null = null
  #cancelReset: Cancel | null = null
  #dialing: Dialing | null = null
  #warm = false
  /** The endpoint's FIN was read. */
  #spent = false
  /** Why kill() or finish() was called; what the relay's end is told as when that ended it. */
  #endedBy: EndedBy = 'admin'
  /** What the endpoint has been told and has said: `asked` has sent it something, `heard` has a byte from it. */
  #speech: 'none' | 'asked' | 'heard' = 'none'
  #waiter: Waiter | null = null
  #over = false

  constructor(context: SessionContext<W>, route: Route, downstream: W) {
    this.#context = context
    this.#route = route
    this.#downstream = downstream
    this.#number = context.nextNumber()
    this.#startMs = context.plane.now()
    this.#client = route.snapshot.access === 'none' ? null : downstream.remote
  }

  open(): void {
    const { row, live } = this.#context
    const cells = listenerCell(this.#route.listener.slot)
    add(row, workerCell.active, 1)
    add(row, cells + listenerField.accepted, 1)
    add(row, cells + listenerField.active, 1)
    live.add(this)
  }

  onClientReset(cancel: Cancel): void {
    this.#cancelReset = cancel
  }

  onDialing(dialing: Dialing): void {
    if (this.relay === null) this.#dialing = dialing // a warm wire is handed over before dialPool() returns
  }

  /** A new array each time is one of the right size: growing one leaves room for seventeen. */
  attempted(attempt: LoggedAttempt): void {
    if (this.#route.snapshot.access === 'none') return
    if (this.#attempts.length < maxLogged) this.#attempts = [...this.#attempts, attempt]
  }

  connected(endpoint: EndpointSnapshot, warm: boolean): void {
    this.#cancelReset?.()
    this.#cancelReset = null
    this.#dialing = null // a connection may last for days; what dialed it need not
    this.#endpoint = endpoint
    this.slot = endpoint.slot
    this.#warm = warm
    this.#connectMs = this.#context.plane.now() - this.#startMs
    add(this.#context.row, endpointCell(endpoint.slot) + endpointField.active, 1)
  }

  header({ proxyProtocol }: PoolSnapshot): Uint8Array | null {
    if (proxyProtocol === 'off') return null
    const { remote, local } = this.#downstream // two system calls
    return proxyHeader(proxyProtocol, remote, local, this.#id())
  }

  relaying(relay: Relay): void {
    this.relay = relay
  }

  up(count: number): void {
    if (this.#speech === 'none') {
      this.#speech = 'asked'
      this.#waiter = this.#context.waiting.asked(this.slot)
    }
    add(this.#context.row, listenerCell(this.#route.listener.slot) + listenerField.bytesUp, count)
  }

  down(count: number): void {
    if (this.#speech !== 'heard') {
      this.#speech = 'heard'
      this.#context.waiting.heard(this.slot, this.#waiter)
      this.#waiter = null
    }
    add(this.#context.row, listenerCell(this.#route.listener.slot) + listenerField.bytesDown, count)
  }

  buffered(delta: number): void {
    add(this.#context.row, workerCell.bufferedBytes, delta)
  }

  /** Whoever has said all it had to say is no load any more. */
  upstreamEnded(): void {
    this.#spent = true
    add(this.#context.row, endpointCell(this.slot) + endpointField.spent, 1)
  }

  /** The client is gone, or the program ends, while no endpoint was reached. */
  abandon(cause: 'client' | EndedBy): void {
    this.#dialing?.cancel()
    const closed: Closed =
      cause === 'client' ? { first: 'client', how: 'rst' } : { first: 'proxy', how: 'kill' }
    this.#unserved(cause, this.#dialing?.queued === true, closed)
  }

  /** No endpoint was reached: an end that is not clean must not look clean, so the client gets RST. */
  giveUp(cause: 'endpoint-down' | 'resource', queued: boolean): void {
    this.#unserved(cause, queued, { first: 'proxy', how: 'rst' })
  }

  kill(cause: EndedBy): void {
    this.#endedBy = cause
    if (this.relay !== null) this.relay.kill()
    else this.abandon(cause)
  }

  finish(cause: EndedBy): void {
    this.#endedBy = cause
    this.relay?.finish()
  }

  drop(): void {
    this.#over = true
    this.#dialing?.cancel()
    if (this.relay !== null) this.relay.kill()
    else this.#downstream.reset()
  }

  ended(end: RelayEnd): void {
    if (this.#over) return
    const cells = endpointCell(this.slot)
    add(this.#context.row, cells + endpointField.active, -1)
    if (this.#spent) add(this.#context.row, cells + endpointField.spent, -1)
    if (this.#warm && wasLost(end)) add(this.#context.row, staleCell(this.slot, 'used'), 1)
    if (this.#speech !== 'heard') this.#unheard(end)
    const phase = end.halfClosed && end.kind !== 'clean' ? 'half-closed' : 'data'
    this.#close(causeOf(end, this.#endedBy), phase, end.closed, end.bytesUp, end.bytesDown)
  }

  /** It ended before the endpoint has said anything. That a warm connection was given up is no fault. */
  #unheard(end: RelayEnd): void {
    const { row, tally, waiting, signs } = this.#context
    const { slot } = this
    if (this.#waiter !== null) waiting.left(this.#waiter)
    this.#waiter = null
    const cell = endpointCell(slot) + endpointField.served
    if (end.kind === 'clean') add(row, cell, 1)
    else if (!this.#warm && wasCutOff(end)) signs({ kind: 'cut-off', slot, served: tally.sum(cell) })
  }

  /** Made when someone asks: most connections are short, and the others many. */
  #id(): string {
    return this.#context.idOf(this.#number)
  }

  #unserved(cause: Cause, queued: boolean, closed: Closed): void {
    if (this.#over) return
    this.#cancelReset?.()
    this.#downstream.reset()
    this.#close(cause, queued ? 'queue' : 'connect', closed, 0, 0)
  }

  #close(cause: Cause, phase: Phase, closed: Closed, bytesUp: number, bytesDown: number): void {
    this.#over = true
    const { row, live, plane } = this.#context
    const { listener } = this.#route
    const durationMs = plane.now() - this.#startMs
    live.remove(this)
    add(row, workerCell.active, -1)
    add(row, listenerCell(listener.slot) + listenerField.active, -1)
    add(row, closedCell(listener.slot, cause, phase), 1)
    observe(row, durationHistogram, durationMs / 1000)
    const { queue } = this.#route.state
    if (queue.size > 0) queue.look()
    const { access } = this.#route.snapshot
    if (access === 'none' || (access === 'errors' && cause === 'none')) return
    this.#context.reports.outcome({
      id: this.#id(),
      listener: listener.name,
      client: this.#client === null ? '' : formatAddress(this.#client),
      endpoint: this.#endpoint?.id ?? null,
      attempts: this.#attempts,
      connectMs: this.#connectMs,
      durationMs,
      bytesUp,
      bytesDown,
      cause,
      phase,
      closed,
    })
  }
}
