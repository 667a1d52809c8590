import type { SocketAddress } from '../core/address.ts'
import { type Candidates, candidates, type PickContext } from '../core/candidates.ts'
import type { AttemptError, DialFailure } from '../core/outcome.ts'
import type { EndpointSnapshot, PoolSnapshot } from '../core/snapshot.ts'
import { sourcesFor } from '../core/source-address.ts'
import { add, endpointCell, endpointField, healthBit, takenLast } from '../core/tally.ts'
import type { Wire } from '../plane/plane.ts'
import { Attempt, type AttemptOwner, hedgeDelayMs } from './attempt.ts'
import type { SessionContext } from './context.ts'
import type { PoolState } from './pool-state.ts'

/** A wire to an endpoint of `pool`, which is as it was when the endpoint was taken. */
export interface Connected<W> {
  readonly kind: 'connected'
  readonly wire: W
  readonly pool: PoolSnapshot
  readonly endpoint: EndpointSnapshot
  /** It was connected before this client came. */
  readonly warm: boolean
}

/** Our own limits or the endpoints' maxConnections are in the way, or the endpoints are. */
export type Trouble = 'resource' | 'endpoint-down'

/** What a round tells, and what it leaves to the next one. */
export interface RoundOwner<W> {
  /** When `connect.budget` is over. */
  readonly deadlineMs: number
  /** Who the client is: a transparent pool's connections begin there. */
  readonly client: SocketAddress
  /** Whom this connection has dialed: the first alternative to its first endpoint is free. */
  asked: 'nobody' | 'first' | 'others'
  /** The latest. */
  trouble: Trouble
  /** Told of each dial when it is over: one of the access log's `attempts`. */
  attempted(endpoint: EndpointSnapshot, ms: number, error: string | null): void
  /** The end: nothing is under way any more. */
  connected(connected: Connected<W>): void
  /** Nothing is under way, and there is nobody left to dial. */
  spent(): void
}

/**
 * The pool's endpoints once, in the balancer's order: the next one at once when one fails, or beside one that
 * does not answer.
 */
export class Round<W extends Wire> implements AttemptOwner<W> {
  readonly kind = 'round'
  readonly pool: PoolSnapshot
  readonly #context: SessionContext<W>
  readonly #state: PoolState
  readonly #owner: RoundOwner<W>
  readonly #order: Candidates
  readonly #first: EndpointSnapshot | undefined
  #attemptsLeft: number
  #underWay: readonly Attempt<W>[] = none

  /** Chooses where to begin, and dials nobody. */
  constructor(context: SessionContext<W>, state: PoolState, pick: PickContext, owner: RoundOwner<W>) {
    this.pool = state.pool
    this.#context = context
    this.#state = state
    this.#owner = owner
    this.#order = candidates(state.pool, pick)
    this.#first = this.#order.next()
    this.#attemptsLeft = state.pool.connect.attempts
  }

  /** Before begin(): there is nobody to dial, because endpoints are at their maxConnections. */
  get full(): boolean {
    return this.#first === undefined && this.#order.full
  }

  /** There is nobody to dial, and will not be. */
  get foreign(): boolean {
    return this.#order.foreign
  }

  /** May tell its owner of a warm wire, or that it is spent, before it returns. */
  begin(): void {
    this.#take(this.#first, false)
  }

  /** Its dials are over; `error` is what the log says of them. */
  giveUp(error: 'unanswered' | 'aborted'): void {
    const attempts = this.#underWay
    this.#underWay = none
    for (const attempt of attempts) {
      const { ms } = attempt
      attempt.cancel()
      this.#ended(attempt, ms, error)
    }
  }

  connected(winner: Attempt<W>, wire: W, ms: number): void {
    const { endpoint } = winner
    this.#remove(winner)
    if ((this.#context.tally.health(endpoint.slot) & healthBit.released) !== 0) {
      this.#withdrawn(winner, wire, ms)
      return
    }
    this.giveUp('unanswered')
    this.#ended(winner, ms, null)
    this.#owner.connected({ kind: 'connected', wire, pool: this.pool, endpoint, warm: false })
  }

  failed(attempt: Attempt<W>, error: AttemptError, ms: number): void {
    const { reason, code } = error
    this.#remove(attempt)
    this.#ended(attempt, ms, code)
    this.#owner.trouble = shortages.has(reason) ? 'resource' : 'endpoint-down'
    if (reason === 'ports-exhausted' && attempt.plan.sourcesLeft > 1) {
      this.#dial(attempt.endpoint, attempt.plan.sourcesLeft - 1, false)
    } else if (reason === 'local') {
      this.#rest() // no other endpoint has descriptors for us either
    } else {
      this.#next()
    }
  }

  unanswered(): void {
    this.#next()
  }

  /** Its endpoint was taken out of use while the dial was under way: as if it had failed. */
  #withdrawn(attempt: Attempt<W>, wire: W, ms: number): void {
    wire.close()
    this.#ended(attempt, ms, 'withdrawn')
    this.#owner.trouble = 'endpoint-down'
    this.#next()
  }

  /** Another endpoint, in the place of one that has failed or beside one that does not answer. */
  #next(): void {
    if (this.#attemptsLeft === 0) {
      this.#rest()
      return
    }
    const endpoint = this.#order.next()
    // With nobody in doubt in the way, the first alternative costs nothing; whatever follows could be a
    // storm.
    const free = this.#owner.asked === 'first' && endpoint !== undefined && !this.#inDoubt(endpoint)
    this.#owner.asked = 'others'
    if (endpoint === undefined || free || this.#state.retries.take(this.#context.plane.now())) {
      this.#take(endpoint, endpoint !== undefined && !free)
      return
    }
    add(this.#context.row, endpointCell(endpoint.slot) + endpointField.denied, 1)
    this.#attemptsLeft = 0
    this.#rest()
  }

  #inDoubt({ slot }: EndpointSnapshot): boolean {
    return (this.#context.tally.health(slot) & takenLast) !== 0
  }

  #take(endpoint: EndpointSnapshot | undefined, budgeted: boolean): void {
    if (endpoint === undefined) {
      if (this.#order.full) this.#owner.trouble = 'resource'
      this.#rest()
      return
    }
    const { pool } = this
    const { suspect } = this.#order
    if (suspect !== undefined && suspect !== endpoint)
      this.#context.trials.begin(this.#context, pool, suspect)
    const wire = pool.warm === null ? null : this.#context.warm.take(endpoint)
    if (wire !== null) {
      this.#warm(endpoint, wire, budgeted)
      return
    }
    this.#attemptsLeft--
    const sources = sourcesFor(pool.connect.source, endpoint.address.family).length
    this.#dial(endpoint, Math.max(1, sources), budgeted)
  }

  /** Nothing is dialed: no attempt, no time. */
  #warm(endpoint: EndpointSnapshot, wire: W, budgeted: boolean): void {
    if (budgeted) this.#state.retries.end()
    this.giveUp('unanswered')
    this.#owner.attempted(endpoint, 0, null)
    this.#owner.connected({ kind: 'connected', wire, pool: this.pool, endpoint, warm: true })
  }

  #dial(endpoint: EndpointSnapshot, sourcesLeft: number, budgeted: boolean): void {
    const { plane, row } = this.#context
    const { pool } = this
    const { timeoutMs, hedgeAfterMs } = pool.connect
    const limitMs = Math.min(timeoutMs, this.#owner.deadlineMs - plane.now())
    if (limitMs <= 0) {
      if (budgeted) this.#state.retries.end()
      this.#rest()
      return
    }
    if (this.#owner.asked === 'nobody') this.#owner.asked = 'first'
    const attempt = new Attempt(this.#context, endpoint, this, {
      pool,
      forClient: true,
      from: pool.transparent ? this.#owner.client : null,
      hedgeMs: hedgeDelayMs(row, endpoint.slot, hedgeAfterMs),
      limitMs,
      budgeted,
      sourcesLeft,
      trial: false,
    })
    this.#underWay = this.#underWay.length === 0 ? [attempt] : [...this.#underWay, attempt]
  }

  /** Nothing more to begin. */
  #rest(): void {
    if (this.#underWay.length === 0) this.#owner.spent()
  }

  /** Most rounds have one attempt, and that costs no array here. */
  #remove(attempt: Attempt<W>): void {
    const all = this.#underWay
    this.#underWay = all.length === 1 && all[0] === attempt ? none : all.filter((other) => other !== attempt)
  }

  #ended(attempt: Attempt<W>, ms: number, error: string | null): void {
    if (attempt.plan.budgeted) this.#state.retries.end()
    this.#owner.attempted(attempt.endpoint, ms, error)
  }
}

/** Somebody has no room: this host, or an endpoint for one more connection. */
const shortages: ReadonlySet<DialFailure> = new Set<DialFailure>(['local', 'ports-exhausted', 'busy'])

const none: readonly never[] = []
