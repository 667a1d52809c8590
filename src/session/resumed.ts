import { type SocketAddress, socketAddress } from '../core/address.ts'
import type { AdoptedFrom, MovedSession, SessionFacts } from '../core/moved.ts'
import type { EndedBy } from '../core/outcome.ts'
import type { EndpointSnapshot } from '../core/snapshot.ts'
import type { AdoptedWires, Relay, RelayEnd, RelaySockets, Wire } from '../plane/plane.ts'
import type { SessionStory, SessionView } from './connection-view.ts'
import type { Entrance, Route, SessionContext } from './context.ts'
import { countAdopted, countOut, countSaved } from './counted.ts'
import { depart, type Leaver } from './departure.ts'
import { clientName } from './header-out.ts'
import { type Life, lifeOf, unlimited } from './lifetime.ts'
import type { LiveSession } from './live.ts'
import { Relaying, type RelayingOwner } from './relaying.ts'
import { hasLine, outcomeOf } from './told.ts'
import { writeDown } from './written.ts'

/** Where a connection goes on. */
export interface Resumption<W extends Wire> {
  readonly from: AdoptedFrom
  readonly entrance: Entrance
  readonly route: Route
  readonly endpoint: EndpointSnapshot
  readonly wires: AdoptedWires<W>
  /** Of the table of sources. */
  readonly entry: number | null
}

/**
 * A connection that was established in another process, or in another worker, from where it goes on to its
 * end: the second half of a session's story.
 */
export class ResumedSession<W extends Wire> implements LiveSession, RelayingOwner {
  seat = -1
  readonly number: number
  readonly client: SocketAddress
  readonly #context: SessionContext<W>
  readonly #resumption: Resumption<W>
  readonly #facts: SessionFacts
  readonly #startMs: number
  readonly #relaying: Relaying<W>
  #life: Life = unlimited
  #over = false

  constructor(context: SessionContext<W>, resumption: Resumption<W>, { facts, ...past }: MovedSession) {
    const { from, entrance, endpoint, wires } = resumption
    const { listener } = entrance
    this.#context = context
    this.#resumption = resumption
    this.#facts = facts
    this.number = context.nextNumber()
    this.client = socketAddress(facts.client.ip, facts.client.port) ?? wires.downstream.remote
    this.#startMs = context.plane.now() - facts.ageMs
    if (from === 'process') countAdopted(context.row, listener.slot)
    else countSaved(context.row, listener.slot)
    context.live.add(this)
    const connected = { kind: 'connected', wire: wires.upstream, endpoint, warm: facts.warm } as const
    const beginning = { kind: 'moved', facts, past } as const
    this.#relaying = new Relaying(context, listener, wires.downstream, connected, beginning, this)
    if (facts.lifeLeftMs === null) return
    const over = facts.outlived ? () => this.relay.kill() : () => this.#outlived()
    this.#life = lifeOf(context.plane, Math.max(0, facts.lifeLeftMs), over)
  }

  get foreignId(): string {
    return this.#facts.id
  }

  get relay(): Relay {
    return this.#relaying.relay
  }

  get slot(): number {
    return this.#relaying.endpoint.slot
  }

  view(): SessionView {
    const { number, client, relay } = this
    const { id, listener, pool, endpoint } = this.#facts
    return { number, id, startMs: this.#startMs, listener, pool, client, endpoint, state: 'data', relay }
  }

  story(): SessionStory {
    const { attempts, endpoint, dialMs } = this.#facts
    const last = dialMs < 0 ? [] : [{ endpoint, ms: dialMs, error: null }]
    const connectMs = this.#relaying.sinceMs - this.#startMs
    return { ...this.view(), attempts: [...attempts, ...last], connectMs }
  }

  kill(cause: EndedBy): void {
    this.#relaying.kill(cause)
  }

  finish(cause: EndedBy): void {
    this.#relaying.finish(cause)
  }

  drop(): void {
    this.#over = true
    this.#life.cancel()
    this.relay.kill()
  }

  detach(): MovedSession | null {
    if (this.#over) return null
    const moved = depart(this.#context, this.#leaver)
    if (moved !== null) this.#over = true
    return moved
  }

  lasting(sockets: RelaySockets): boolean {
    return writeDown(this.#context, this.#over ? null : this.#leaver, sockets)
  }

  get #leaver(): Leaver<W> {
    const { entrance, route, entry } = this.#resumption
    const [relaying, client, startMs] = [this.#relaying, this.client, this.#startMs]
    const [life, own] = [this.#life, this.#facts]
    return { session: this, relaying, entrance, route, client, startMs, life, entry, own }
  }

  ended(end: RelayEnd): void {
    if (this.#over) return
    this.#over = true
    this.#life.cancel()
    const { row, live, plane, sources, reports } = this.#context
    const { entrance, route, entry } = this.#resumption
    const phase = end.halfClosed && end.kind !== 'clean' ? 'half-closed' : 'data'
    const { cause, closed } = this.#relaying.leave(end)
    const durationMs = plane.now() - this.#startMs
    live.remove(this)
    if (entry !== null) sources.release(entry)
    countOut(row, entrance.listener.slot, cause, phase, durationMs)
    const { queue } = route.state
    if (queue.size > 0) queue.look()
    if (!hasLine(entrance.snapshot, cause, end)) return
    const { id, listener, pool, serverName, attempts, moves, nobody } = this.#facts
    const client = clientName(this.client, nobody)
    const told = { id, listener, client, serverName, pool, attempts, moves, startMs: this.#startMs }
    reports.outcome(outcomeOf(told, this.#relaying, { ...end, closed }, [cause, phase], durationMs))
  }

  /** FIN to both, and RST to those who are left `halfClose` later. */
  #outlived(): void {
    const { halfCloseMs } = this.#facts.timeouts
    this.#life = lifeOf(this.#context.plane, halfCloseMs, () => this.relay.kill())
    this.#relaying.outlive()
  }
}
