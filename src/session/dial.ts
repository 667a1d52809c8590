import { type Candidates, candidates, type PickContext } from '../core/candidates.ts'
import type { AttemptError, DialFailure } from '../core/outcome.ts'
import type { EndpointSnapshot, PoolSnapshot } from '../core/snapshot.ts'
import { add, connectHistogram, endpointCell, endpointField, failureCell, observe } from '../core/tally.ts'
import type { Cancel, Dialed, Wire } from '../plane/plane.ts'
import type { SessionContext } from './context.ts'
import { Pick } from './pick.ts'

/** With no endpoint left, the pool is dialed again after 100, 200, 400, 800, 1000, 1000 ... ms. */
const firstPauseMs = 100
/** Not longer: a gateway that is back is found within a second. */
const longestPauseMs = 1_000
/** Of the budget, kept for the dials of the last round. */
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
  | { readonly kind: 'connected'; readonly wire: W; readonly endpoint: EndpointSnapshot }
  /** resource: our own limits or the pool's maxConnections were in the way. */
  | { readonly kind: 'exhausted'; readonly cause: 'endpoint-down' | 'resource' }

/**
 * Connects to an endpoint of the pool: the balancer's order, the next one at once when one fails, the pool again after
 * a pause, until `connect.budget` is over. Calls `done` once, unless cancelled. Sends nothing.
 */
export function dialPool<W extends Wire>(
  context: SessionContext<W>,
  pool: PoolSnapshot,
  client: W,
  log: AttemptLog,
  done: (result: PoolDialed<W>) => void,
): Dialing {
  const dial = new PoolDial(context, pool, client, log, done)
  dial.round()
  return dial
}

/** A pool being dialed. */
export interface Dialing {
  /** No endpoint had a place so far: nothing was dialed. */
  readonly queued: boolean
  /** Stops; `done` is not called any more. */
  cancel(): void
}

class PoolDial<W extends Wire> implements Dialing {
  queued = true
  readonly #context: SessionContext<W>
  readonly #pool: PoolSnapshot
  readonly #attempts: AttemptLog
  readonly #done: (result: PoolDialed<W>) => void
  readonly #pick: PickContext
  readonly #deadlineMs: number
  #order: Candidates | null = null
  #attemptsLeft = 0
  #pauseMs = firstPauseMs
  #cause: 'endpoint-down' | 'resource' = 'endpoint-down'
  #stop: Cancel = nothing

  constructor(
    context: SessionContext<W>,
    pool: PoolSnapshot,
    client: W,
    log: AttemptLog,
    done: (result: PoolDialed<W>) => void,
  ) {
    this.#context = context
    this.#pool = pool
    this.#attempts = log
    this.#done = done
    this.#deadlineMs = context.plane.now() + pool.connect.budgetMs
    this.#pick = new Pick(context, client)
  }

  /** Tries the pool's endpoints, one after the other. */
  round(): void {
    this.#order = candidates(this.#pool, this.#pick)
    this.#attemptsLeft = this.#pool.connect.attempts
    this.#next()
  }

  cancel(): void {
    this.#stop()
    this.#stop = nothing
  }

  #next(): void {
    if (this.#attemptsLeft === 0) {
      this.#pause()
      return
    }
    const endpoint = this.#order?.next()
    if (endpoint === undefined) {
      if (this.#order?.full === true) this.#cause = 'resource'
      this.#pause()
      return
    }
    this.#attemptsLeft--
    this.#try(endpoint, Math.max(1, this.#pool.connect.source.length))
  }

  #pause(): void {
    const leftMs = this.#deadlineMs - this.#context.plane.now() - lastRoundMs
    if (leftMs <= 0) {
      this.#done({ kind: 'exhausted', cause: this.#cause })
      return
    }
    // The last pause is shorter: what is left of the budget is used, for a gateway that is back just in time.
    this.#stop = this.#context.plane.after(Math.min(leftMs, this.#pauseMs), () => this.round())
    this.#pauseMs = Math.min(longestPauseMs, this.#pauseMs * 2)
  }

  #try(endpoint: EndpointSnapshot, sourcesLeft: number): void {
    const { plane, row } = this.#context
    const { source, timeoutMs } = this.#pool.connect
    const startMs = plane.now()
    const limitMs = Math.min(timeoutMs, this.#deadlineMs - startMs)
    if (limitMs <= 0) {
      this.#done({ kind: 'exhausted', cause: this.#cause })
      return
    }
    this.queued = false
    const cells = endpointCell(endpoint.slot)
    add(row, cells + endpointField.pending, 1)
    add(row, cells + endpointField.attempts, 1)
    const settle = (): number => {
      add(row, cells + endpointField.pending, -1)
      this.#stop = nothing
      return plane.now() - startMs
    }
    const options = {
      source: source.length === 0 ? null : (source[this.#context.nextSource() % source.length] ?? null),
    }
    const cancelDial = plane.dial(endpoint.address, options, (dialed) => {
      cancelTimeout()
      this.#dialed(endpoint, dialed, settle(), sourcesLeft)
    })
    const cancelTimeout = plane.after(limitMs, () => {
      cancelDial()
      this.#failed(endpoint, { reason: 'timeout', code: 'ETIMEDOUT' }, settle(), 0)
    })
    // Named first: V8 puts a function literal that is assigned to a property into the old generation, with all it sees.
    const stop = (): void => {
      cancelDial()
      cancelTimeout()
      settle()
    }
    this.#stop = stop
  }

  #dialed(endpoint: EndpointSnapshot, dialed: Dialed<W>, ms: number, sourcesLeft: number): void {
    if (dialed.kind === 'failed') {
      this.#failed(endpoint, { reason: reasonOf(dialed.code), code: dialed.code }, ms, sourcesLeft)
      return
    }
    observe(this.#context.row, connectHistogram, ms / 1000)
    this.#log(endpoint, ms, null)
    this.#context.reports.attempt({ slot: endpoint.slot, ms, error: null })
    this.#done({ kind: 'connected', wire: dialed.wire, endpoint })
  }

  #failed(endpoint: EndpointSnapshot, error: AttemptError, ms: number, sourcesLeft: number): void {
    add(this.#context.row, failureCell(endpoint.slot, error.reason), 1)
    this.#log(endpoint, ms, error.code)
    this.#context.reports.attempt({ slot: endpoint.slot, ms, error })
    this.#cause =
      error.reason === 'local' || error.reason === 'ports-exhausted' ? 'resource' : 'endpoint-down'
    if (error.reason === 'ports-exhausted' && sourcesLeft > 1) this.#try(endpoint, sourcesLeft - 1)
    else if (error.reason === 'local')
      this.#pause() // no other endpoint has descriptors for us either
    else this.#next()
  }

  #log(endpoint: EndpointSnapshot, ms: number, error: string | null): void {
    this.#attempts.attempted({ endpoint: endpoint.id, ms, error })
  }
}

function nothing(): void {}

function reasonOf(code: string): DialFailure {
  switch (code) {
    case 'ECONNREFUSED':
      return 'refused'
    case 'ETIMEDOUT':
      return 'timeout'
    case 'ECONNRESET':
      return 'reset'
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EHOSTDOWN':
      return 'unreachable'
    case 'EADDRNOTAVAIL':
    case 'EADDRINUSE':
    case 'EAGAIN': // Linux: no local port left for this destination
      return 'ports-exhausted'
    case 'EMFILE':
    case 'ENFILE':
    case 'ENOBUFS':
    case 'ENOMEM':
      return 'local'
    default:
      return 'other'
  }
}
