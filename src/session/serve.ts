import type { SocketAddress } from '../core/address.ts'
import type { MovedSession } from '../core/moved.ts'
import type { Cause, EndedBy, Outcome, Phase, Refusal } from '../core/outcome.ts'
import type { EndpointSnapshot, PoolSnapshot } from '../core/snapshot.ts'
import type { Cancel, Relay, RelayEnd, RelaySockets, Wire } from '../plane/plane.ts'
import { noTlvs, type ProxyHeader } from '../protocol/proxy-found.ts'
import { judgeClient } from './admit.ts'
import type { Arrival } from './arrival.ts'
import type { SessionStory, SessionView } from './connection-view.ts'
import type { Entrance, Route, SessionContext } from './context.ts'
import { countIn, countOut } from './counted.ts'
import { depart, type Leaver } from './departure.ts'
import { type DialOwner, PoolDial, type PoolDialed } from './dial.ts'
import { clientText, headerOut, isNobody } from './header-out.ts'
import { beginLife, type Life, lifeOf } from './lifetime.ts'
import type { LiveSession } from './live.ts'
import { Preface, type PrefaceOwner } from './preface.ts'
import type { Waiter } from './queue.ts'
import { Relaying, type RelayingOwner } from './relaying.ts'
import type { Connected } from './round.ts'
import {
  byAge,
  byClient,
  byClientsEnd,
  byKill,
  byReset,
  type End,
  fresh,
  over,
  phaseOf,
  type State,
} from './session-state.ts'
import { hasLine, outcomeOf, type Told } from './told.ts'
import { writeDown } from './written.ts'

/**
 * The story of a connection: counted, heard of who it is and where it wants to go if that has to be read,
 * queued while its pool is full, connected to an endpoint, relayed, told.
 */
export function serve<W extends Wire>(
  context: SessionContext<W>,
  entrance: Entrance,
  downstream: W,
  arrival: Arrival,
): void {
  const session = new Session(context, entrance, downstream, arrival.entry)
  session.open()
  session.begin(arrival.first)
}

const none: Outcome['attempts'] = []
/** Of a log line; a connection that dials for ten seconds makes about fifteen rounds. */
const maxLogged = 32

class Session<W extends Wire> implements LiveSession, PrefaceOwner, DialOwner<W>, Waiter, RelayingOwner {
  seat = -1
  readonly #context: SessionContext<W>
  readonly #entrance: Entrance
  readonly #downstream: W
  readonly number: number
  readonly foreignId = null
  readonly #startMs: number
  #client: SocketAddress | null
  /** What the client's peer has said of it in a PROXY header; null: there was none. */
  #header: ProxyHeader | null = null
  #serverName: string | null = null
  /** null: it is not known yet where it goes. */
  #route: Route | null = null
  /** Of the table of sources. */
  #entry: number | null
  #attempts: Outcome['attempts'] = none
  /** Of the dial that connected, where `attempts` has only those that failed; -1: it has all. */
  #dialMs = -1
  #state: State<W> = fresh
  #life: Life

  constructor(context: SessionContext<W>, entrance: Entrance, downstream: W, entry: number | null) {
    this.#context = context
    this.#entrance = entrance
    this.#downstream = downstream
    this.#entry = entry
    this.number = context.nextNumber()
    this.#startMs = context.plane.now()
    // For the log at once: a wire that was reset may not know it any more.
    this.#client = entrance.snapshot.access === 'none' ? null : downstream.remote
    this.#life = beginLife(context, entrance.listener.timeouts, () => this.#outlived())
  }

  /**
   * Who the client is, for everyone who asks; nobody asks the wire. Of nobody, who its peer is. Many end
   * without.
   */
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
    countIn(this.#context.row, this.#entrance.listener.slot)
    this.#context.live.add(this)
  }

  begin(first: Arrival['first']): void {
    const unwatch = this.#downstream.onReset(() => this.#clientReset())
    const { rest } = this.#entrance
    if (first === null && rest !== null) {
      this.#reach(rest, unwatch)
      return
    }
    const preface = new Preface(this.#context, this.#entrance, this.#downstream, this, first ?? 'hello')
    this.#setState({ kind: 'preface', preface, unwatch })
    preface.begin()
  }

  named(header: ProxyHeader): boolean {
    const { listener } = this.#entrance
    this.#header = header
    if (header.ends !== null) this.#client = header.ends.source
    const { admission } = listener
    if (admission === null) return true
    const verdict = judgeClient(this.#context, listener, admission, header.ends?.source ?? null)
    if (verdict.kind === 'admitted') {
      this.#entry = verdict.entry
      return true
    }
    this.#turnAway()
    return false
  }

  routed(route: Route, serverName: string | null): void {
    const state = this.#state
    if (state.kind !== 'preface') return
    this.#serverName = serverName
    this.#reach(route, state.unwatch)
  }

  refused(reason: Refusal, detail: string): void {
    this.#context.refusals.refused(this.#entrance.listener, reason, () => this.client, detail)
    this.#turnAway()
  }

  /** A balancer looked whether somebody is here: nobody's fault. */
  left(): void {
    const state = this.#state
    if (state.kind !== 'preface') return
    state.unwatch()
    this.#downstream.close()
    this.#close('none', 'preface', byClientsEnd, null)
  }

  view(): SessionView {
    const state = this.#state
    const relaying = state.kind === 'relaying' ? state : null
    return {
      number: this.number,
      id: this.#id(),
      startMs: this.#startMs,
      listener: this.#entrance.listener.name,
      pool: this.#route?.pool.name ?? null,
      client: this.client,
      endpoint: relaying?.endpoint.id ?? null,
      state: state.kind === 'new' || state.kind === 'over' ? 'preface' : phaseOf[state.kind],
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
   * A new array each time is one of the right size: growing one leaves room for seventeen. Where no line will
   * be written, the one dial of a connection that had no trouble is a number.
   */
  attempted({ id }: EndpointSnapshot, ms: number, error: string | null): void {
    if (error === null && this.#entrance.snapshot.access === 'none') this.#dialMs = ms
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
    const { dial } = state
    const round = dial.choose()
    if (round === null) return false
    this.#setState({ ...state, kind: 'dialing' })
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

  detach(): MovedSession | null {
    const leaver = this.#leaver
    const moved = leaver === null ? null : depart(this.#context, leaver)
    if (moved !== null) this.#setState(over)
    return moved
  }

  lasting(sockets: RelaySockets): boolean {
    return writeDown(this.#context, this.#leaver, sockets)
  }

  get #leaver(): Leaver<W> | null {
    const [relaying, route] = [this.#state, this.#route]
    if (relaying.kind !== 'relaying' || route === null) return null
    const own = { ...this.#told(), dialMs: this.#dialMs, nobody: isNobody(this.#header), crashes: 0 }
    const [entrance, client, startMs] = [this.#entrance, this.client, this.#startMs]
    const [life, entry] = [this.#life, this.#entry]
    return { session: this, relaying, entrance, route, client, startMs, life, entry, own }
  }

  drop(): void {
    const state = this.#state
    this.#life.cancel()
    this.#setState(over)
    if (state.kind === 'relaying') state.relay.kill()
    if (state.kind === 'relaying' || state.kind === 'new' || state.kind === 'over') return
    if (state.kind === 'preface') state.preface.cancel()
    else state.dial.cancel()
    this.#downstream.reset()
  }

  ended(end: RelayEnd): void {
    const state = this.#state
    if (state.kind !== 'relaying') return
    const phase = end.halfClosed && end.kind !== 'clean' ? 'half-closed' : 'data'
    const { cause, closed } = state.leave(end)
    this.#close(cause, phase, { ...end, closed }, state)
  }

  /**
   * FIN to both, and RST to those who are left `halfClose` later; where no endpoint was reached, RST at once.
   */
  #outlived(): void {
    const state = this.#state
    if (state.kind !== 'relaying') {
      this.#unserved('proxy', byAge)
      return
    }
    const { halfCloseMs } = this.#entrance.listener.timeouts
    this.#life = lifeOf(this.#context.plane, halfCloseMs, () => state.relay.kill())
    state.outlive()
  }

  /** Who stops waiting leaves the queue. */
  #setState(state: State<W>): void {
    const before = this.#state
    this.#state = state
    if (before.kind === 'queued') before.route.state.queue.leave(this)
  }

  /** The connection goes to this pool. */
  #reach(route: Route, unwatch: Cancel): void {
    this.#route = route
    const dial = new PoolDial(this.#context, route, this)
    this.#setState({ kind: 'dialing', route, dial, unwatch })
    const { retries, queue } = route.state
    retries.began(this.#context.plane.now())
    // Whoever waits was here first.
    if (queue.size > 0) this.#wait()
    else dial.begin()
  }

  #clientReset(): void {
    const state = this.#state
    // Who has said nothing has lost nothing: a balancer looked whether somebody is here.
    const isSilent = state.kind === 'preface' && !state.preface.hasBytes
    this.#unserved(isSilent ? 'none' : 'client', byClient)
  }

  /**
   * The listener's rules are against it. Counted and sampled where that was found: an attack must not fill
   * the log.
   */
  #turnAway(): void {
    const state = this.#state
    if (state.kind !== 'preface') return
    state.preface.cancel()
    state.unwatch()
    const isReset = this.#entrance.listener.refuse === 'reset'
    if (isReset) this.#downstream.reset()
    else this.#downstream.close()
    this.#leave('client', 'preface')
  }

  #wait(): void {
    const state = this.#state
    if (state.kind !== 'dialing') return
    this.#setState({ ...state, kind: 'queued' })
    const { queue } = state.route.state
    if (queue.enter(this)) queue.look()
    else this.#unserved('resource', byReset)
  }

  /** What has dialed is let go: a connection may last for days. */
  #relay(connected: Connected<W>): void {
    const state = this.#state
    if (state.kind !== 'dialing') return
    state.unwatch()
    const header = this.#headerOut(connected.pool)
    // A connection may last for days.
    if (this.#header !== null) this.#header = { ...this.#header, tlvs: noTlvs }
    if (this.#entrance.snapshot.logConnect) this.#tellConnected(connected)
    const { listener } = state.route
    const beginning = { kind: 'header', header } as const
    this.#setState(new Relaying(this.#context, listener, this.#downstream, connected, beginning, this))
  }

  /** Ahead of the relay: its end is told later. */
  #tellConnected({ pool, endpoint }: Connected<W>): void {
    const connectMs = this.#context.plane.now() - this.#startMs
    const told = { ...this.#told(), pool: pool.name, endpoint: endpoint.id, connectMs }
    this.#context.reports.connected(told)
  }

  #told(): Told {
    return {
      id: this.#id(),
      listener: this.#entrance.listener.name,
      client: clientText(this.client, this.#header),
      serverName: this.#serverName,
      pool: this.#route?.pool.name ?? null,
      attempts: this.#attempts,
      startMs: this.#startMs,
      moves: 0,
    }
  }

  #headerOut(pool: PoolSnapshot): Uint8Array | null {
    if (pool.proxyProtocol === 'off') return null
    return headerOut(pool, this.client, this.#downstream, this.#id(), this.#header)
  }

  /** No endpoint was reached: an end that is not clean must not look clean, so the client gets RST. */
  #unserved(cause: Cause, end: End): void {
    const state = this.#state
    switch (state.kind) {
      case 'preface':
        state.preface.cancel()
        break
      case 'queued':
      case 'dialing':
        state.dial.cancel()
        break
      case 'new':
      case 'relaying':
      case 'over':
        return
    }
    state.unwatch()
    this.#downstream.reset()
    this.#close(cause, phaseOf[state.kind], end, null)
  }

  /** `reached`: null when no endpoint was. */
  #close(cause: Cause, phase: Phase, end: End, reached: Relaying<W> | null): void {
    const durationMs = this.#leave(cause, phase)
    if (!hasLine(this.#entrance.snapshot, cause, end)) return
    this.#context.reports.outcome(outcomeOf(this.#told(), reached, end, [cause, phase], durationMs))
  }

  /** Everything but the line of the log. Returns how long it has been here. */
  #leave(cause: Cause, phase: Phase): number {
    this.#setState(over)
    this.#life.cancel()
    const { row, live, plane, sources } = this.#context
    const { slot } = this.#entrance.listener
    const durationMs = plane.now() - this.#startMs
    live.remove(this)
    if (this.#entry !== null) sources.release(this.#entry)
    countOut(row, slot, cause, phase, durationMs)
    const queue = this.#route?.state.queue
    if (queue !== undefined && queue.size > 0) queue.look()
    return durationMs
  }

  /** Made when someone asks: most connections are short, and the others many. */
  #id(): string {
    return this.#context.idOf(this.number)
  }
}
