import type { Limit } from '../core/outcome.ts'
import { add, heldCell, listenerCell, listenerField, rejectedCell } from '../core/tally.ts'
import type { Listening, Wire } from '../plane/plane.ts'
import { judgePeer } from './admit.ts'
import type { Entrance, SessionContext } from './context.ts'
import { reachedLimit } from './limit.ts'
import { serve } from './serve.ts'

/**
 * How soon a place that has become free is taken: connections of other workers end without telling this one.
 */
const lookMs = 20

/** A listener that leaves its connections in the kernel's backlog. */
interface Held {
  readonly listening: Listening
  /** Its cell in the worker's row. */
  readonly cell: number
}

/**
 * Lets in what there is room for. On a plane that asks before it accepts, the rest stays in the kernel's
 * backlog, and what was accepted is served: nobody is reset. Another plane has accepted already, and the
 * excess is reset and counted. `entrance`: of a listener as it is now; undefined when it is not in the
 * snapshot any more. What one source may have never pauses a listener: whoever is over it is refused.
 */
export class Gate<W extends Wire> {
  readonly #context: SessionContext<W>
  readonly #entrance: (address: string) => Entrance | undefined
  readonly #held = new Map<string, Held>()
  #looking = false

  constructor(context: SessionContext<W>, entrance: (address: string) => Entrance | undefined) {
    this.#context = context
    this.#entrance = entrance
  }

  /** Whether a plane may accept one more there. False: `listening` is paused until there is a place. */
  hasRoom(address: string, listening: Listening): boolean {
    const entrance = this.#entrance(address)
    const cell = entrance === undefined ? null : this.#heldBy(entrance)
    if (cell === null) return true
    listening.pause()
    this.#hold(address, listening, cell)
    this.#lookLater()
    return false
  }

  /** A connection was accepted. */
  admit(address: string, downstream: W): void {
    const entrance = this.#entrance(address)
    if (entrance === undefined) {
      downstream.reset()
      return
    }
    const { listener } = entrance
    // Not asked again where it was asked before: another worker may have taken the same place meanwhile.
    const limit = this.#context.plane.asksForRoom ? null : reachedLimit(this.#context, entrance)
    if (limit !== null) {
      add(this.#context.row, rejectedCell(listener.slot, limit), 1)
      downstream.reset()
      return
    }
    if (!this.#takesToken(entrance)) {
      this.#context.refusals.refused(listener, 'rate', () => downstream.remote)
      this.#turnAway(entrance, downstream)
      return
    }
    this.#receive(entrance, downstream)
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
      const entrance = this.#entrance(address)
      const cell = entrance === undefined ? null : this.#heldBy(entrance)
      if (cell !== null) {
        // Maybe because of another limit, or of another listener by now
        this.#hold(address, listening, cell)
        continue
      }
      this.forget(address)
      listening.resume()
    }
  }

  /** Who connects, as far as that can be told now. */
  #receive(entrance: Entrance, downstream: W): void {
    const { listener } = entrance
    const first = listener.routes === null ? null : 'hello'
    if (listener.admission === null) {
      serve(this.#context, entrance, downstream, { first, entry: null })
      return
    }
    const verdict = judgePeer(this.#context, listener, listener.admission, downstream.remote)
    switch (verdict.kind) {
      case 'refused':
        this.#turnAway(entrance, downstream)
        return
      case 'header':
        serve(this.#context, entrance, downstream, { first: 'header', entry: null })
        return
      case 'admitted':
        serve(this.#context, entrance, downstream, { first, entry: verdict.entry })
        return
    }
  }

  #turnAway({ listener }: Entrance, downstream: W): void {
    if (listener.refuse === 'close') downstream.close()
    else downstream.reset()
  }

  /**
   * False: the listener has had its connections of this second, and this plane could not leave the rest
   * waiting.
   */
  #takesToken(entrance: Entrance): boolean {
    return this.#waitMs(entrance, true) === 0 || this.#context.plane.asksForRoom
  }

  #waitMs({ listener: { slot, perSecond } }: Entrance, take: boolean): number {
    return perSecond === null
      ? 0
      : this.#context.sources.waitMs(slot, perSecond, this.#context.sharedMs(), take)
  }

  /** The cell of what leaves no room for one more; null: there is room. */
  #heldBy(entrance: Entrance): number | null {
    const { slot } = entrance.listener
    const limit: Limit | null = reachedLimit(this.#context, entrance)
    if (limit !== null) return heldCell(slot, limit)
    return this.#waitMs(entrance, false) > 0 ? listenerCell(slot) + listenerField.heldByRate : null
  }

  #hold(address: string, listening: Listening, cell: number): void {
    this.forget(address)
    this.#held.set(address, { listening, cell })
    this.#context.row[cell] = 1
  }
}
