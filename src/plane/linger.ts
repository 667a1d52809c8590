import type { Cancel, RelayTimeouts } from './plane.ts'
import type { Sight } from './sight.ts'

/**
 * The first look at the kernel's queue is at once, the next after this long, each later one after twice the
 * time before.
 */
const firstLookMs = 4
/** The longest pause between looks: how late a reset may be once nothing holds it back. */
const longestLookMs = 250
/**
 * Where the kernel cannot be asked, the reset follows so long after it has taken everything: a guess, for a
 * peer that reads.
 */
const blindMs = 1_000

export interface LingerContext {
  readonly now: () => number
  readonly after: (ms: number, fire: () => void) => Cancel
  /** null: this host's kernel cannot be asked. */
  readonly sight: Sight | null
}

/**
 * The wait between the last byte for a peer and the reset behind it. A reset drops what the kernel still has
 * to send, so it waits until the peer has acknowledged everything; there is no event for that. Gives up when
 * nothing has moved for the shortest of `idle`, `halfClose` and `stall`.
 */
export class Linger {
  readonly #context: LingerContext
  readonly #patienceMs: number
  #leftBytes = Number.POSITIVE_INFINITY
  #movedMs: number
  #lookMs = firstLookMs
  #cancel: Cancel | null = null

  constructor(context: LingerContext, { idleMs, halfCloseMs, stallMs }: RelayTimeouts) {
    this.#context = context
    this.#patienceMs = Math.min(idleMs, halfCloseMs, stallMs)
    this.#movedMs = context.now()
  }

  /**
   * Whether the reset has to wait. `heldBytes` are not with the kernel of `descriptor` yet, which took the
   * latest ones at `movedMs`. If so, `again` is called when it is time to ask again; asking earlier is fine.
   */
  waits(heldBytes: number, movedMs: number, descriptor: number, again: () => void): boolean {
    const { now, after, sight } = this.#context
    this.cancel()
    const queued = sight?.unacknowledged(descriptor) ?? -1
    const left = heldBytes + Math.max(0, queued)
    if (left === 0 && queued === 0) return false
    const nowMs = now()
    this.#movedMs = left < this.#leftBytes ? nowMs : Math.max(movedMs, this.#movedMs)
    this.#leftBytes = left
    const mostMs = left === 0 ? Math.min(blindMs, this.#patienceMs) : this.#patienceMs
    const patienceMs = this.#movedMs + mostMs - nowMs
    if (patienceMs <= 0) return false
    this.#cancel = after(Math.min(this.#lookMs, patienceMs), again)
    this.#lookMs = Math.min(longestLookMs, this.#lookMs * 2)
    return true
  }

  cancel(): void {
    this.#cancel?.()
    this.#cancel = null
  }
}
