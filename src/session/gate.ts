import { workerCell } from '../core/tally.ts'
import type { Listening, Wire } from '../plane/plane.ts'
import { reachedLimit } from './accept.ts'
import type { Route, SessionContext } from './context.ts'

/** How soon a place that has become free is taken: connections of other workers end without telling this one. */
const lookMs = 20

/**
 * Leaves connections in the kernel's backlog while a limit is reached, on planes that can. `route`: where a listener's
 * connections go now.
 */
export class Gate<W extends Wire> {
  readonly #context: SessionContext<W>
  readonly #route: (address: string) => Route | undefined
  readonly #held = new Map<string, Listening>()

  constructor(context: SessionContext<W>, route: (address: string) => Route | undefined) {
    this.#context = context
    this.#route = route
  }

  /** A connection was accepted there. */
  accepted(address: string, listening: Listening): void {
    if (!this.#full(address) || this.#held.has(address) || !listening.pause()) return
    this.#held.set(address, listening)
    this.#tell()
    if (this.#held.size === 1) this.#context.plane.after(lookMs, () => this.#look())
  }

  /** The listener is closed. */
  forget(address: string): void {
    this.#held.delete(address)
    this.#tell()
  }

  #look(): void {
    for (const [address, listening] of this.#held) {
      if (this.#full(address)) continue
      this.#held.delete(address)
      listening.resume()
    }
    this.#tell()
    if (this.#held.size > 0) this.#context.plane.after(lookMs, () => this.#look())
  }

  #tell(): void {
    this.#context.row[workerCell.heldListeners] = this.#held.size
  }

  #full(address: string): boolean {
    const route = this.#route(address)
    return route !== undefined && reachedLimit(this.#context, route) !== null
  }
}
