import type { EndedBy } from '../core/outcome.ts'
import type { Member } from '../core/roster.ts'
import type { Relay } from '../plane/plane.ts'

/**
 * How often a retirement looks for connections to end: fine enough to spread them evenly over a window of
 * seconds.
 */
export const retireStepMs = 50

/** A connection under way that may have to end. */
export interface Retiring extends Member {
  /** null: still dialing. */
  readonly relay: Relay | null
  /** Slot of the endpoint that it is connected to; -1: none yet. */
  readonly slot: number
  /** FIN to both sides. */
  finish(cause: EndedBy): void
}

export interface RetirementPlan {
  readonly windowMs: number
  /** Connections that were silent for so long are ended. */
  readonly idleAfterMs: number
  readonly cause: EndedBy
}

/**
 * Connections that are ended with FIN as they fall silent, spread evenly over a window: of those that are
 * left, never more than the share that the elapsed time allows. Has no timer of its own.
 */
export class Retirement {
  /** null: of all endpoints. */
  readonly #slots: Set<number> | null
  readonly #plan: RetirementPlan
  readonly #startMs: number
  readonly #left = new Set<Retiring>()
  /** Who was ended, or ended by itself. */
  #finished = 0

  constructor(slots: readonly number[] | null, plan: RetirementPlan, startMs: number) {
    this.#slots = slots === null ? null : new Set(slots)
    this.#plan = plan
    this.#startMs = startMs
  }

  /** Takes in a connection to one of the endpoints, and one that dials: it may be about to connect to one. */
  admit(session: Retiring): void {
    if (session.slot === -1 || this.#concerns(session)) this.#left.add(session)
  }

  /** It is one of all, and its window is not over: who comes now has to end with the others. */
  takesNewcomers(nowMs: number): boolean {
    return this.#slots === null && nowMs - this.#startMs < this.#plan.windowMs
  }

  /** The connections of these endpoints stay. Does nothing to a retirement of all. */
  spare(slots: readonly number[]): void {
    if (this.#slots === null) return
    for (const slot of slots) this.#slots.delete(slot)
  }

  /** Ends those whose turn it is. False: nothing is left to do. */
  step(nowMs: number): boolean {
    const { windowMs, idleAfterMs, cause } = this.#plan
    for (const session of this.#left) {
      if (session.seat === -1) {
        this.#left.delete(session)
        this.#finished++
      } else if (session.slot !== -1 && !this.#concerns(session)) {
        this.#left.delete(session)
      }
    }
    const elapsedMs = nowMs - this.#startMs
    const total = this.#left.size + this.#finished
    const due =
      windowMs <= retireStepMs ? total : Math.ceil(total * Math.min(1, elapsedMs / (windowMs - retireStepMs)))
    for (const session of this.#left) {
      if (this.#finished >= due) break
      if (session.relay === null || session.relay.idleMs(nowMs) < idleAfterMs) continue
      this.#left.delete(session)
      this.#finished++
      session.finish(cause)
    }
    return this.#left.size > 0 && elapsedMs < windowMs
  }

  #concerns({ slot }: Retiring): boolean {
    return this.#slots === null || this.#slots.has(slot)
  }
}
