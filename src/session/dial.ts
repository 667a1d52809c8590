import { type Candidates, candidates, type PickContext } from '../core/candidates.ts'
import type { AttemptError } from '../core/outcome.ts'
import type { EndpointSnapshot, PoolSnapshot } from '../core/snapshot.ts'
import { sourceFor, sourcesFor } from '../core/source-address.ts'
import { add, endpointCell, endpointField, healthBit, takenLast } from '../core/tally.ts'
import type { Cancel, Wire } from '../plane/plane.ts'
import { Attempt, type AttemptOwner, hedgeDelayMs } from './attempt.ts'
import type { Route, SessionContext } from './context.ts'
import { Pick } from './pick.ts'
import type { Waiter } from './queue.ts'

/** With no endpoint left, the pool is dialed again after 100, 200, 400, 800, 1000, 1000 ... ms. */
const firstPauseMs = 100
/** Not longer: a gateway that is back is found within a second. */
const longestPauseMs = 1_000
/** This part of the budget is kept for the dials of the last round. */
const lastRoundMs = 50

/** One line of the access log's `attempts`. */
export interface LoggedAttempt {
  readonly endpoint: string
  readonly ms: number
  readonly error: string | null
}

/** Told of each dial when it is over. */
export interface AttemptLog {
  attempted(attempt: LoggedAttempt): void
}

export type PoolDialed<W> =
  /** `pool`: as it was when the endpoint was taken. `warm`: the wire was connected before this client came. */
  | {
      readonly kind: 'connected'
      readonly wire: W
      readonly pool: PoolSnapshot
      readonly endpoint: EndpointSnapshot
      readonly warm: boolean
    }
  /** resource: our own limits or the endpoints' maxConnections were in the way. `queued`: as in Dialing. */
  | { readonly kind: 'exhausted'; readonly cause: 'endpoint-down' | 'resource'; readonly queued: boolean }

/**
 * Connects to an endpoint of the route's pool: the balancer's order, the next one at once when one fails, the next one
 * beside it when one does not answer, the pool again after a pause, until `connect.budget` is over. Waits in the pool's
 * queue while all have as many connections as they may. Calls `done` once, unless cancelled; with a warm wire before
 * it returns, or when there is no room in the queue. Sends nothing.
 */
export function dialPool<W extends Wire>(
  context: SessionContext<W>,
  route: Route,
  client: W,
  log: AttemptLog,
  done: (result: PoolDialed<W>) => void,
): Dialing {
  const dial = new PoolDial(context, route, client, log, done)
  dial.begin()
  return dial
}

/** A pool being dialed. */
export interface Dialing {
  /** It waits in the pool's queue, or found no room there. */
  readonly queued: boolean
  /** Stops; `done` is not called any more. */
  cancel(): void
}

class PoolDial<W extends Wire> implements Dialing, AttemptOwner<W>, Waiter {
  queued = false
  readonly #context: SessionContext<W>
  readonly #route: Route
  readonly #log: AttemptLog
  readonly #done: (result: PoolDialed<W>) => void
  readonly #pick: PickContext
  /** Read again after each wait: endpoints may have come and gone meanwhile. */
  #pool: PoolSnapshot
  #deadlineMs: number
  #order: Candidates | null = null
  #attemptsLeft = 0
  /** A connection that has dialed once does not enter the queue any more. */
  #dialed = false
  /** Dials beyond the very first one, over all rounds; the first of them costs no retry budget. */
  #alternatives = 0
  #underWay: readonly Attempt<W>[] = none
  #pauseMs = firstPauseMs
  #cancelPause: Cancel = () => {}
  #cause: 'endpoint-down' | 'resource' = 'endpoint-down'

  constructor(
    context: SessionContext<W>,
    route: Route,
    client: W,
    log: AttemptLog,
    done: (result: PoolDialed<W>) => void,
  ) {
    this.#context = context
    this.#route = route
    this.#log = log
    this.#done = done
    this.#pick = new Pick(context, client)
    this.#pool = route.pool
    this.#deadlineMs = context.plane.now() + route.pool.connect.budgetMs
  }

  begin(): void {
    const { retries, queue } = this.#route.state
    retries.began(this.#context.plane.now())
    // Connections in the queue were here first.
    if (queue.size > 0) this.#wait()
    else this.#round()
  }

  cancel(): void {
    this.#route.state.queue.leave(this)
    this.#cancelPause()
    this.#giveUp(this.#underWay, 'aborted')
  }

  proceed(): boolean {
    this.#pool = this.#route.state.pool
    this.#order = candidates(this.#pool, this.#pick)
    const endpoint = this.#order.next()
    if (endpoint === undefined && this.#order.full) return false
    this.queued = false
    this.#deadlineMs = this.#context.plane.now() + this.#pool.connect.budgetMs
    this.#attemptsLeft = this.#pool.connect.attempts
    this.#take(endpoint, false)
    return true
  }

  expired(): void {
    this.#exhausted('resource')
  }

  connected(winner: Attempt<W>, wire: W, ms: number): void {
    const { slot } = winner.endpoint
    if ((this.#context.tally.health(slot) & healthBit.released) !== 0) {
      this.#withdrawn(winner, wire, ms)
      return
    }
    const slower = this.#underWay.filter((attempt) => attempt !== winner)
    this.#giveUp(slower, 'unanswered')
    this.#ended(winner, ms, null)
    this.#done({ kind: 'connected', wire, pool: this.#pool, endpoint: winner.endpoint, warm: false })
  }

  failed(attempt: Attempt<W>, error: AttemptError, ms: number): void {
    const { reason, code } = error
    this.#underWay = this.#underWay.filter((other) => other !== attempt)
    this.#ended(attempt, ms, code)
    this.#cause = reason === 'local' || reason === 'ports-exhausted' ? 'resource' : 'endpoint-down'
    if (reason === 'ports-exhausted' && attempt.plan.sourcesLeft > 1) {
      this.#try(attempt.endpoint, attempt.plan.sourcesLeft - 1, false)
    } else if (reason === 'local') {
      this.#rest() // another endpoint would need a descriptor too
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
    this.#underWay = this.#underWay.filter((other) => other !== attempt)
    this.#ended(attempt, ms, 'withdrawn')
    this.#cause = 'endpoint-down'
    this.#next()
  }

  /** Tries the pool's endpoints, in the balancer's order. */
  #round(): void {
    this.#pool = this.#route.state.pool
    this.#order = candidates(this.#pool, this.#pick)
    this.#attemptsLeft = this.#pool.connect.attempts
    this.#take(this.#order.next(), false)
  }

  /** Another endpoint, in the place of one that has failed or beside one that does not answer. */
  #next(): void {
    if (this.#attemptsLeft === 0) {
      this.#rest()
      return
    }
    const { retries } = this.#route.state
    const endpoint = this.#order?.next()
    // The first alternative is free unless its endpoint is in doubt itself; further ones could become a
    // storm.
    const free = this.#alternatives++ === 0 && endpoint !== undefined && !this.#inDoubt(endpoint)
    if (endpoint === undefined || free || retries.take(this.#context.plane.now())) {
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
    const pool = this.#pool
    const { queue } = this.#route.state
    const suspect = this.#order?.suspect
    if (suspect !== undefined && endpoint !== undefined && suspect !== endpoint) {
      this.#context.trials.begin(this.#context, pool, suspect)
    }
    if (endpoint !== undefined) {
      const wire = pool.warm === null ? null : this.#context.warm.take(endpoint)
      if (wire !== null) {
        this.#warm(endpoint, wire, budgeted)
        return
      }
      this.#attemptsLeft--
      this.#try(
        endpoint,
        Math.max(1, sourcesFor(pool.connect.source, endpoint.address.family).length),
        budgeted,
      )
      return
    }
    if (this.#order?.full === true) {
      this.#cause = 'resource'
      if (!this.#dialed && queue.size === 0) {
        this.#wait()
        return
      }
    }
    this.#rest()
  }

  /** Nothing is dialed: no attempt, no time. */
  #warm(endpoint: EndpointSnapshot, wire: W, budgeted: boolean): void {
    if (budgeted) this.#route.state.retries.end()
    this.#giveUp(this.#underWay, 'unanswered')
    this.#log.attempted({ endpoint: endpoint.id, ms: 0, error: null })
    this.#done({ kind: 'connected', wire, pool: this.#pool, endpoint, warm: true })
  }

  #wait(): void {
    const { queue } = this.#route.state
    this.queued = true
    if (!queue.enter(this)) this.#exhausted('resource')
    else queue.look()
  }

  /** Nothing more to begin now: waits for what is under way, or for the next round. */
  #rest(): void {
    if (this.#underWay.length > 0) return
    const { plane } = this.#context
    const leftMs = this.#deadlineMs - plane.now() - lastRoundMs
    if (leftMs <= 0) {
      this.#exhausted(this.#cause)
      return
    }
    // The last pause is shorter: what is left of the budget is used, for a gateway that is back just in time.
    const { pausing } = this.#route.state
    const begin = (): void => {
      this.#cancelPause()
      this.#round()
    }
    const cancelTimer = plane.after(Math.min(leftMs, this.#pauseMs), begin)
    pausing.add(begin)
    this.#cancelPause = () => {
      cancelTimer()
      pausing.delete(begin)
    }
    this.#pauseMs = Math.min(longestPauseMs, this.#pauseMs * 2)
  }

  #try(endpoint: EndpointSnapshot, sourcesLeft: number, budgeted: boolean): void {
    const { plane, row } = this.#context
    const { name, connect } = this.#pool
    const { source, timeoutMs, hedgeAfterMs } = connect
    const limitMs = Math.min(timeoutMs, this.#deadlineMs - plane.now())
    if (limitMs <= 0) {
      if (budgeted) this.#route.state.retries.end()
      if (this.#underWay.length === 0) this.#exhausted(this.#cause)
      return
    }
    this.#dialed = true
    const attempt = new Attempt(this.#context, endpoint, this, {
      group: name,
      forClient: true,
      source: sourceFor(source, endpoint.address.family, this.#context.nextSource),
      hedgeMs: hedgeDelayMs(row, endpoint.slot, hedgeAfterMs),
      limitMs,
      budgeted,
      sourcesLeft,
      trial: false,
    })
    this.#underWay = this.#underWay.length === 0 ? [attempt] : [...this.#underWay, attempt]
  }

  /** Cancels these dials; nothing is under way afterwards. */
  #giveUp(attempts: readonly Attempt<W>[], error: 'unanswered' | 'aborted'): void {
    this.#underWay = none
    for (const attempt of attempts) {
      const { ms } = attempt
      attempt.cancel()
      this.#ended(attempt, ms, error)
    }
  }

  #ended(attempt: Attempt<W>, ms: number, error: string | null): void {
    if (attempt.plan.budgeted) this.#route.state.retries.end()
    this.#log.attempted({ endpoint: attempt.endpoint.id, ms, error })
  }

  #exhausted(cause: 'endpoint-down' | 'resource'): void {
    this.#done({ kind: 'exhausted', cause, queued: this.queued })
  }
}

const none: readonly never[] = []
