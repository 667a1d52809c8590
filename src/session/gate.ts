import type { Limit } from '../core/outcome.ts'
import { add, heldCell, rejectedCell } from '../core/tally.ts'
import type { Listening, Wire } from '../plane/plane.ts'
import type { Route, SessionContext } from './context.ts'
import { reachedLimit } from './limit.ts'
import { serve } from './serve.ts'

/** How soon a place that has become free is taken: connections of other workers end without telling this one. */
const lookMs = 20

/** A listener that leaves its connections in the kernel's backlog. */
interface Held {
  readonly listening: Listening
  /** Its cell in the worker's row. */
  readonly cell: number
}

/**
 * Lets in what there is room for. On a plane that asks before it accepts, the rest stays in the kernel's backlog, and what
 * was accepted is served: nobody is reset. Another plane has accepted already, and the excess is reset and counted.
 * `route`: where a listener's connections go now; undefined when it is not in the snapshot any more.
 */
export class Gate<W extends Wire> {
  readonly #context: SessionContext<W>
  readonly #route: (address: string) => Route | undefined
  readonly #held = new Map<string, Held>()
  #looking = false

  constructor(context: SessionContext<W>, route: (address: string) => Route | undefined) {
    this.#context = context
    this.#route = route
  }

  /** Whether a plane may accept one more there. False: `listening` is paused until there is a place. */
  hasRoom(address: string, listening: Listening): boolean {
    const route = this.#route(address)
    const limit = route === undefined ? null : reachedLimit(this.#context, route)
    if (route === undefined || limit === null) return true
    listening.pause()
    this.#hold(address, listening, route, limit)
    this.#lookLater()
    return false
  }

  /** A connection was accepted. */
  admit(address: string, downstream: W): void {
    const route = this.#route(address)
    if (route === undefined) {
      downstream.reset()
      return
    }
    // Not asked again where it was asked before: another worker may have taken the same place meanwhile.
    const limit = this.#context.plane.asksForRoom ? null : reachedLimit(this.#context, route)
    if (limit === null) {
      serve(this.#context, route, downstream)
      return
    }
    add(this.#context.row, rejectedCell(route.listener.slot, limit), 1)
    downstream.reset()
  }

  /** The listener is closed. */
  forget(address: string): void {
    const held = this.#held.get(address)
    if (held === undefined) return
    this.#held.delete(address)
    this.#context.row[held.cell] = 0
  }

  #lookLater(): void {
    if (this.#looking || this.#held.size === 0) return
    this.#looking = true
    this.#context.plane.after(lookMs, () => {
      this.#looking = false
      this.#look()
      this.#lookLater()
    })
  }

  #look(): void {
    for (const [address, { listening }] of [...this.#held]) {
      const route = this.#route(address)
      const limit = route === undefined ? null : reachedLimit(this.#context, route)
      if (route !== undefined && limit !== null) {
        // Maybe because of another limit, or of another listener by now
        this.#hold(address, listening, route, limit)
        continue
      }
      this.forget(address)
      listening.resume()
    }
  }

  #hold(address: string, listening: Listening, { listener }: Route, limit: Limit): void {
    this.forget(address)
    const cell = heldCell(listener.slot, limit)
    this.#held.set(address, { listening, cell })
    this.#context.row[cell] = 1
  }
}
