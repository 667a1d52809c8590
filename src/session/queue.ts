import type { Cancel } from '../plane/plane.ts'

/** A connection that waits for a place at an endpoint. */
export interface Waiter {
  /** True: it has got a place, and is out of the queue. */
  proceed(): boolean
  /** It has waited for too long. */
  expired(): void
}

/** How soon a place that another worker's connection has left is taken. */
const lookMs = 20

/**
 * Connections of one pool in one worker for which every endpoint is at its maxConnections: first come, first
 * served, no more than `most`, none longer than `timeoutMs`. A connection that leaves for another reason has
 * to call leave().
 */
export class Queue {
  readonly #after: (ms: number, fire: () => void) => Cancel
  readonly #changed: (delta: number) => void
  readonly #waiting = new Map<Waiter, Cancel>()
  #most: number
  #timeoutMs: number
  #cancelLook: Cancel | null = null
  #looking = false

  /** `changed` is told how many more wait. */
  constructor(
    after: (ms: number, fire: () => void) => Cancel,
    changed: (delta: number) => void,
    most: number,
    timeoutMs: number,
  ) {
    this.#after = after
    this.#changed = changed
    this.#most = most
    this.#timeoutMs = timeoutMs
  }

  get size(): number {
    return this.#waiting.size
  }

  /** New bounds; connections that already wait keep the timeout that they began with. */
  resize(most: number, timeoutMs: number): void {
    this.#most = most
    this.#timeoutMs = timeoutMs
  }

  /** False: there is no room. */
  enter(waiter: Waiter): boolean {
    if (this.#waiting.size >= this.#most) return false
    const expire = (): void => {
      this.leave(waiter)
      waiter.expired()
    }
    this.#waiting.set(waiter, this.#after(this.#timeoutMs, expire))
    this.#changed(1)
    this.#cancelLook ??= this.#after(lookMs, () => this.#lookAgain())
    return true
  }

  /** Does nothing for a connection that is not in the queue. */
  leave(waiter: Waiter): void {
    const cancel = this.#waiting.get(waiter)
    if (cancel === undefined) return
    cancel()
    this.#waiting.delete(waiter)
    this.#changed(-1)
  }

  /** A place may be free: the first in the queue take the places that there are. */
  look(): void {
    if (this.#looking) return // what proceeds may end, and ask for a look again
    this.#looking = true
    for (const waiter of this.#waiting.keys()) {
      if (!waiter.proceed()) break
      this.leave(waiter)
    }
    this.#looking = false
  }

  #lookAgain(): void {
    this.look()
    this.#cancelLook = this.#waiting.size === 0 ? null : this.#after(lookMs, () => this.#lookAgain())
  }
}
