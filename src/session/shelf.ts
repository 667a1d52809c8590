import { Allowance } from '../core/allowance.ts'
import type { AttemptError, StaleWhen } from '../core/outcome.ts'
import type { EndpointSnapshot, PoolSnapshot, WarmSnapshot } from '../core/snapshot.ts'
import {
  add,
  connectHistogram,
  endpointCell,
  endpointField,
  failureCell,
  notUp,
  observe,
  staleCell,
  type Tally,
  takenLast,
} from '../core/tally.ts'
import type { Cancel, Plane, Wire } from '../plane/plane.ts'
import { dialEndpoint, type EndpointDialed } from './dial-endpoint.ts'
import { reasonOf } from './dial-failure.ts'
import type { Reports } from './reports.ts'

/**
 * Dials a second that one worker makes for one shelf. Four workers together stay near what one source address
 * can open to one endpoint (28,232 ports, 60 s TIME_WAIT: 470), and clients that come faster are dialed for
 * as without a shelf.
 */
const refillsPerSecond = 250
/**
 * After a dial that failed, or a connection that the endpoint gave up: one that dies at once must not be
 * dialed in a loop.
 */
const pauseMs = 1_000
/** A place that was emptied is filled this much later: not in the middle of the client's own story. */
export const refillMs = 4
/** How soon a health word, which has no event, is noticed. */
const lookMs = 250
/**
 * Ages end up to this share of maxAge sooner, at random: those that were opened together must not all go
 * together.
 */
const spread = 0.2
const inAdvance = { forClient: false, from: null } as const

/** What all shelves of a worker share. */
export interface ShelfContext<W extends Wire> {
  readonly plane: Plane<W>
  readonly tally: Tally
  readonly row: Float64Array
  readonly reports: Reports
  readonly nextSource: () => number
  /** Uniform in [0, 1). */
  readonly random: () => number
  /**
   * The endpoint in `slot` sent something on a connection that nobody had used, `ageMs` after it was opened.
   */
  readonly spoke: (slot: number, ageMs: number) => void
}

interface Waiting<W> {
  readonly wire: W
  readonly bornMs: number
  /** When it is too old. */
  readonly endMs: number
  unwatch: Cancel
}

/**
 * Connections to one endpoint that nobody has used yet. Invariants: the latest is last; each is watched, by
 * the poller alone, for anything that the endpoint does with it; a wire that is taken is no different from
 * one just dialed.
 */
export class Shelf<W extends Wire> {
  readonly #context: ShelfContext<W>
  readonly #pool: PoolSnapshot
  readonly #endpoint: EndpointSnapshot
  readonly #maxAgeMs: number
  readonly #share: number
  readonly #cells: number
  readonly #allowance: Allowance
  readonly #waiting: Waiting<W>[] = []
  readonly #dials = new Set<Cancel>()
  #pausedUntilMs = Number.NEGATIVE_INFINITY

  /** Holds at most `share`. Empty until look(). Whoever makes it calls release(). */
  constructor(
    context: ShelfContext<W>,
    pool: PoolSnapshot,
    endpoint: EndpointSnapshot,
    { maxAgeMs }: WarmSnapshot,
    share: number,
  ) {
    this.#context = context
    this.#pool = pool
    this.#endpoint = endpoint
    this.#maxAgeMs = maxAgeMs
    this.#share = share
    this.#cells = endpointCell(endpoint.slot)
    this.#allowance = new Allowance(refillsPerSecond, share, context.plane.now())
  }

  /**
   * The latest one: the endpoint has had the least time to give it up. null: none is fit. Counts hit or miss.
   */
  take(): W | null {
    const { plane, row } = this.#context
    const nowMs = plane.now()
    if (!this.#inUse()) this.release()
    for (let one = this.#waiting.at(-1); one !== undefined; one = this.#waiting.at(-1)) {
      const { wire, endMs } = one
      this.#remove(one)
      if (nowMs >= endMs) {
        wire.close()
      } else if (wire.untouched()) {
        add(row, this.#cells + endpointField.warmHit, 1)
        return wire
      } else {
        wire.reset()
        this.#stale('taken')
      }
    }
    add(row, this.#cells + endpointField.warmMiss, 1)
    return null
  }

  /**
   * Closes what is too old, and all when the endpoint is not in use; dials what is missing. Returns when to
   * look again, in ms.
   */
  look(): number {
    const nowMs = this.#context.plane.now()
    if (!this.#inUse()) {
      this.release()
      return lookMs
    }
    for (const one of this.#waiting.filter(({ endMs }) => nowMs >= endMs)) this.#close(one)
    if (this.#surplus() > 0) this.#close(this.#waiting[0])
    const paused = nowMs < this.#pausedUntilMs
    while (!paused && this.#isShort() && this.#allowance.take(nowMs)) this.#dial()
    const soonest = this.#waiting.reduce((least, { endMs }) => Math.min(least, endMs), nowMs + lookMs)
    return !paused && this.#isShort() ? refillMs : Math.max(1, soonest - nowMs)
  }

  /** Closes all, dials included. look() fills it again. */
  release(): void {
    for (const stop of this.#dials) stop()
    this.#dials.clear()
    for (const one of [...this.#waiting]) this.#close(one)
  }

  #inUse(): boolean {
    // Slow start is no reason to have none: they only serve the few clients that the endpoint gets.
    return (this.#context.tally.health(this.#endpoint.slot) & (notUp | takenLast)) === 0
  }

  #isShort(): boolean {
    return this.#waiting.length + this.#dials.size < this.#share && this.#surplus() < 0
  }

  /**
   * By how much all connections to the endpoint, warm ones included, are more than it may have. Warm ones are
   * no load: a socket that nobody uses is no work, and clients come first, so a full endpoint loses its warm
   * ones.
   */
  #surplus(): number {
    const { tally } = this.#context
    const { slot, maxConnections } = this.#endpoint
    if (maxConnections === null) return Number.NEGATIVE_INFINITY
    return tally.load(slot) + tally.sum(this.#cells + endpointField.warm) + this.#dials.size - maxConnections
  }

  #dial(): void {
    const { plane, row } = this.#context
    const startMs = plane.now()
    add(row, this.#cells + endpointField.attempts, 1)
    const cancelDial = dialEndpoint(this.#context, this.#pool, this.#endpoint, inAdvance, (dialed) => {
      if (dialed.kind === 'busy') cancelDial()
      cancelTimeout()
      this.#dials.delete(stop)
      this.#dialed(dialed, plane.now() - startMs)
    })
    const cancelTimeout = plane.after(this.#pool.connect.timeoutMs, () => {
      cancelDial()
      this.#dials.delete(stop)
      this.#failed({ reason: 'timeout', code: 'ETIMEDOUT' }, plane.now() - startMs)
    })
    const stop = (): void => {
      cancelDial()
      cancelTimeout()
    }
    this.#dials.add(stop)
  }

  /**
   * Reported like any other dial: where every client finds a warm connection, passive health learns of no
   * other dials.
   */
  #dialed(dialed: EndpointDialed<W>, ms: number): void {
    // The clients have the places in its backlog.
    if (dialed.kind === 'busy') {
      this.#pause()
      return
    }
    if (dialed.kind === 'failed') {
      this.#failed({ reason: reasonOf(dialed.code, false), code: dialed.code }, ms)
      return
    }
    const { plane, row, reports, random } = this.#context
    observe(row, connectHistogram, ms / 1000)
    reports.attempt({ slot: this.#endpoint.slot, ms, error: null })
    const { wire } = dialed
    const bornMs = plane.now()
    const endMs = bornMs + this.#maxAgeMs * (1 - spread * random())
    const one: Waiting<W> = { wire, bornMs, endMs, unwatch: nothing }
    const unpeek = wire.peek(1, (bytes, ended) => this.#touched(one, bytes.length > 0 && !ended))
    const cancelReset = wire.onReset(() => this.#touched(one, false))
    one.unwatch = () => {
      unpeek()
      cancelReset()
    }
    this.#waiting.push(one)
    this.#count()
  }

  #failed(error: AttemptError, ms: number): void {
    const { row, reports } = this.#context
    add(row, failureCell(this.#endpoint.slot, error.reason), 1)
    reports.attempt({ slot: this.#endpoint.slot, ms, error })
    this.#pause()
  }

  /**
   * The endpoint did something. Bytes and the end together are a notice that it gives up; bytes alone are a
   * greeting.
   */
  #touched(one: Waiting<W>, spoke: boolean): void {
    if (!this.#remove(one)) return
    one.wire.reset()
    this.#stale('waiting')
    if (!spoke) return
    this.release()
    this.#context.spoke(this.#endpoint.slot, this.#context.plane.now() - one.bornMs)
  }

  #stale(when: StaleWhen): void {
    add(this.#context.row, staleCell(this.#endpoint.slot, when), 1)
    this.#pause()
  }

  #pause(): void {
    this.#pausedUntilMs = this.#context.plane.now() + pauseMs
  }

  #close(one: Waiting<W> | undefined): void {
    if (one !== undefined && this.#remove(one)) one.wire.close()
  }

  #remove(one: Waiting<W>): boolean {
    const at = this.#waiting.indexOf(one)
    if (at === -1) return false
    this.#waiting.splice(at, 1)
    one.unwatch()
    this.#count()
    return true
  }

  #count(): void {
    this.#context.row[this.#cells + endpointField.warm] = this.#waiting.length
  }
}

function nothing(): void {}
