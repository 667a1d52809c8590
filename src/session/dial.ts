import type { SocketAddress } from '../core/address.ts'
import type { PickContext } from '../core/candidates.ts'
import type { EndpointSnapshot } from '../core/snapshot.ts'
import type { Cancel, Wire } from '../plane/plane.ts'
import type { Route, SessionContext } from './context.ts'
import { Pick } from './pick.ts'
import { type Connected, Round, type RoundOwner, type Trouble } from './round.ts'

/** With no endpoint left, the pool is dialed again after 100, 200, 400, 800, 1000, 1000 ... ms. */
const firstPauseMs = 100
/** Not longer: a gateway that is back is found within a second. */
const longestPauseMs = 1_000
/** This part of the budget is kept for the dials of the last round. */
const lastRoundMs = 50

/** Connected and exhausted are the end of it. */
export type PoolDialed<W> =
  | Connected<W>
  /**
   * Endpoints are at their maxConnections, nobody was dialed, and nobody waits: resume() when there is a
   * place.
   */
  | { readonly kind: 'full' }
  | { readonly kind: 'exhausted'; readonly cause: Trouble }

/** Whose dial it is. */
export interface DialOwner<W> {
  /** Who the client is: source-hash chooses by it, and a transparent pool's connections begin there. */
  readonly client: SocketAddress
  /** Told of each dial when it is over: one of the access log's `attempts`. */
  attempted(endpoint: EndpointSnapshot, ms: number, error: string | null): void
  /** Never after cancel(). */
  dialed(result: PoolDialed<W>): void
}

type State<W extends Wire> =
  /** Not begun, or told that the pool is full. */
  | { readonly kind: 'idle' }
  | Round<W>
  /** No endpoint is left; another round follows. */
  | { readonly kind: 'pausing'; readonly cancel: Cancel }
  | { readonly kind: 'over' }

const idle = { kind: 'idle' } as const
const over = { kind: 'over' } as const
const full = { kind: 'full' } as const

/**
 * Connects to an endpoint of the route's pool: round after round, with a pause between them, until
 * `connect.budget` is over. A warm wire, and that the pool is full, may be told before begin() or resume()
 * returns. Sends nothing.
 */
export class PoolDial<W extends Wire> implements RoundOwner<W> {
  asked: RoundOwner<W>['asked'] = 'nobody'
  trouble: Trouble = 'endpoint-down'
  deadlineMs: number
  readonly #context: SessionContext<W>
  readonly #route: Route
  readonly #owner: DialOwner<W>
  readonly #pick: PickContext
  #state: State<W> = idle
  #pauseMs = firstPauseMs

  constructor(context: SessionContext<W>, route: Route, owner: DialOwner<W>) {
    this.#context = context
    this.#route = route
    this.#owner = owner
    this.#pick = new Pick(context, owner)
    this.deadlineMs = context.plane.now() + route.pool.connect.budgetMs
  }

  get client(): SocketAddress {
    return this.#owner.client
  }

  begin(): void {
    this.#enter(this.#round())
  }

  /** A round for resume(); nobody is dialed. null: there is still no place. */
  choose(): Round<W> | null {
    const round = this.#round()
    return round.full ? null : round
  }

  /** Begins with `round`, and has the whole budget: who waited for a place was not dialing. */
  resume(round: Round<W>): void {
    this.deadlineMs = this.#context.plane.now() + round.pool.connect.budgetMs
    this.#enter(round)
  }

  /** Stops. */
  cancel(): void {
    const before = this.#state
    this.#setState(over)
    if (before.kind === 'round') before.giveUp('aborted')
  }

  attempted(endpoint: EndpointSnapshot, ms: number, error: string | null): void {
    this.#owner.attempted(endpoint, ms, error)
  }

  connected(connected: Connected<W>): void {
    this.#setState(over)
    this.#owner.dialed(connected)
  }

  spent(): void {
    const round = this.#state
    // Whoever has dialed does not go into the queue any more.
    if (
      round.kind === 'round' &&
      round.full &&
      this.asked === 'nobody' &&
      this.#route.state.queue.size === 0
    ) {
      this.#setState(idle)
      this.#owner.dialed(full)
      return
    }
    if (round.kind === 'round' && round.foreign) {
      this.trouble = 'resource'
      this.#exhausted()
      return
    }
    const leftMs = this.deadlineMs - this.#context.plane.now() - lastRoundMs
    if (leftMs > 0) this.#pause(leftMs)
    else this.#exhausted()
  }

  /** What a state has begun ends with it. Dials are given up by whoever knows what to say of them. */
  #setState(state: State<W>): void {
    if (this.#state.kind === 'pausing') this.#state.cancel()
    this.#state = state
  }

  #round(): Round<W> {
    return new Round(this.#context, this.#route.state, this.#pick, this)
  }

  #enter(round: Round<W>): void {
    this.#setState(round)
    round.begin()
  }

  /**
   * The last pause is shorter: what is left of the budget is used, for a gateway that is back just in time.
   */
  #pause(leftMs: number): void {
    const { pausing } = this.#route.state
    const again = (): void => this.begin()
    const cancelTimer = this.#context.plane.after(Math.min(leftMs, this.#pauseMs), again)
    pausing.add(again)
    const cancel = (): void => {
      cancelTimer()
      pausing.delete(again)
    }
    this.#setState({ kind: 'pausing', cancel })
    this.#pauseMs = Math.min(longestPauseMs, this.#pauseMs * 2)
  }

  #exhausted(): void {
    this.#setState(over)
    this.#owner.dialed({ kind: 'exhausted', cause: this.trouble })
  }
}
