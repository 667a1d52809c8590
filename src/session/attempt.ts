import type { AttemptError } from '../core/outcome.ts'
import type { EndpointSnapshot, PoolSnapshot } from '../core/snapshot.ts'
import { add, connectHistogram, endpointCell, endpointField, failureCell, observe } from '../core/tally.ts'
import type { Cancel, Wire } from '../plane/plane.ts'
import type { SessionContext } from './context.ts'
import { type DialFor, dialEndpoint, type EndpointDialed } from './dial-endpoint.ts'
import { reasonOf } from './dial-failure.ts'

/** The owner of a dial, which is told what becomes of it. */
export interface AttemptOwner<W extends Wire> {
  connected(attempt: Attempt<W>, wire: W, ms: number): void
  failed(attempt: Attempt<W>, error: AttemptError, ms: number): void
  /** No answer so far, and the endpoint is suspect from now on, unless it is only busy. The dial goes on. */
  unanswered(attempt: Attempt<W>): void
}

/** What is decided about a dial before it begins. */
export interface AttemptPlan extends DialFor {
  /** The endpoint's. */
  readonly pool: PoolSnapshot
  /** unanswered() is told after this long. */
  readonly hedgeMs: number
  /** The dial fails after this long. */
  readonly limitMs: number
  /** The retry budget has allowed it. */
  readonly budgeted: boolean
  /** Local addresses that have not been tried for it, this one included. */
  readonly sourcesLeft: number
  /** Tally.beginTrial() said yes. */
  readonly trial: boolean
}

/** The delay of a hedge is at least so many times what a dial to the endpoint takes. */
const usualMultiple = 3
/** A new dial's part of usualMs, as in TCP's smoothed RTT (RFC 6298). */
const smoothing = 1 / 8

/** How long a dial to `slot` may be without an answer before another endpoint is asked beside it. */
export function hedgeDelayMs(row: Float64Array, slot: number, leastMs: number): number {
  return Math.max(leastMs, usualMultiple * (row[endpointCell(slot) + endpointField.usualMs] ?? 0))
}

/** One dial of one endpoint: counted, timed, told once how it ended, unless cancelled. */
export class Attempt<W extends Wire> {
  readonly endpoint: EndpointSnapshot
  readonly startMs: number
  readonly plan: AttemptPlan
  readonly #context: SessionContext<W>
  readonly #owner: AttemptOwner<W>
  readonly #cancelDial: Cancel
  #cancelTimer: Cancel
  /** The latest try found the backlog of a UNIX socket full: somebody is there. */
  #busy = false
  /** The one dial that finds out whether a suspect endpoint is back. */
  #trial: boolean

  constructor(
    context: SessionContext<W>,
    endpoint: EndpointSnapshot,
    owner: AttemptOwner<W>,
    plan: AttemptPlan,
  ) {
    this.endpoint = endpoint
    this.plan = plan
    this.#context = context
    this.#owner = owner
    this.#trial = plan.trial
    const { plane, row } = context
    this.startMs = plane.now()
    const cells = endpointCell(endpoint.slot)
    add(row, cells + endpointField.pending, 1)
    add(row, cells + endpointField.attempts, 1)
    const { pool, hedgeMs, limitMs } = plan
    this.#cancelDial = dialEndpoint(context, pool, endpoint, plan, (dialed) => this.#dialed(dialed))
    this.#cancelTimer =
      hedgeMs < limitMs
        ? plane.after(hedgeMs, () => this.#unanswered())
        : plane.after(limitMs, () => this.#timedOut())
  }

  /** So far, in ms. */
  get ms(): number {
    return this.#context.plane.now() - this.startMs
  }

  cancel(): void {
    this.#cancelDial()
    this.#over()
    this.#endTrial()
  }

  #unanswered(): void {
    const { plane, row, tally, signs } = this.#context
    this.#cancelTimer = plane.after(this.plan.limitMs - this.ms, () => this.#timedOut())
    const { slot } = this.endpoint
    if (this.#busy) {
      this.#owner.unanswered(this)
      return
    }
    add(row, endpointCell(slot) + endpointField.unanswered, 1)
    if (tally.suspect(slot)) {
      this.#trial = true
      signs({ kind: 'unanswered', slot })
    }
    this.#owner.unanswered(this)
  }

  /** Decided without asking the clock, because a timer of libuv may fire a millisecond early. */
  #timedOut(): void {
    this.#cancelDial()
    this.#failed(this.#busy ? { reason: 'busy', code: 'EAGAIN' } : { reason: 'timeout', code: 'ETIMEDOUT' })
  }

  #dialed(dialed: EndpointDialed<W>): void {
    if (dialed.kind === 'busy') {
      this.#busy = true
      return
    }
    if (dialed.kind === 'failed') {
      this.#failed({ reason: reasonOf(dialed.code, this.plan.from !== null), code: dialed.code })
      return
    }
    const { ms } = this
    const { row, reports } = this.#context
    const { slot } = this.endpoint
    this.#over()
    this.#answered()
    const usual = endpointCell(slot) + endpointField.usualMs
    const before = row[usual] ?? 0
    row[usual] = before === 0 ? ms : before + (ms - before) * smoothing
    observe(row, connectHistogram, ms / 1000)
    reports.attempt({ slot, ms, error: null })
    this.#owner.connected(this, dialed.wire, ms)
  }

  #failed(error: AttemptError): void {
    const { ms } = this
    const { row, reports } = this.#context
    const { slot } = this.endpoint
    this.#over()
    if (error.reason === 'refused' || error.reason === 'reset' || error.reason === 'busy') this.#answered()
    else this.#endTrial()
    add(row, failureCell(slot, error.reason), 1)
    reports.attempt({ slot, ms, error })
    this.#owner.failed(this, error, ms)
  }

  #over(): void {
    this.#cancelTimer()
    add(this.#context.row, endpointCell(this.endpoint.slot) + endpointField.pending, -1)
  }

  #answered(): void {
    const { tally } = this.#context
    if (tally.suspected(this.endpoint.slot)) tally.trust(this.endpoint.slot)
    this.#trial = false
  }

  #endTrial(): void {
    if (this.#trial) this.#context.tally.endTrial(this.endpoint.slot)
    this.#trial = false
  }
}
