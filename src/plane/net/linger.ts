import type { Cancel } from '../plane.ts'
import type { Sight } from '../sight.ts'
import type { Side } from './side.ts'

/** Looks come after 4, 8, 16 ... 250 ms: what fits the peer's window is acknowledged within the first few. */
const lookMs = { first: 4, longest: 250 } as const
/** Where the kernel cannot be asked, RST follows so long after it has taken everything: a guess, for a client that reads. */
const blindMs = 1_000

export interface LingerContext {
  readonly now: () => number
  readonly after: (ms: number, fire: () => void) => Cancel
  /** null: without koffi nobody can ask the kernel. */
  readonly sight: Sight | null
}

/**
 * Waits until all that `source` has sent is read, written to `target` and acknowledged by its peer, or until nothing of it
 * has moved for `patienceMs`; then calls `done`, once. The RST that follows would throw away what is still in our kernel.
 */
export class Linger {
  readonly #context: LingerContext
  readonly #source: Side
  readonly #target: Side
  readonly #patienceMs: number
  readonly #done: () => void
  #waitMs: number = lookMs.first
  #cancel: Cancel | null = null
  #leftBytes = -1
  #movedMs: number

  constructor(context: LingerContext, source: Side, target: Side, patienceMs: number, done: () => void) {
    this.#context = context
    this.#source = source
    this.#target = target
    this.#patienceMs = patienceMs
    this.#done = done
    this.#movedMs = context.now()
  }

  /** Looks now, and then again and again; `done` may be called before this returns. */
  look(): void {
    this.cancel()
    const { now, after, sight } = this.#context
    const nowMs = now()
    const unseen = this.#target.unacknowledged(sight)
    const leftBytes = this.#target.unsentBytes + Math.max(0, unseen)
    if (leftBytes !== this.#leftBytes) this.#movedMs = nowMs
    this.#leftBytes = leftBytes
    const quietMs = nowMs - this.#movedMs
    const empty = this.#source.closed && leftBytes === 0 && (unseen === 0 || quietMs >= blindMs)
    if (empty || quietMs >= this.#patienceMs) {
      this.#done()
      return
    }
    this.#target.probe()
    this.#cancel = after(this.#waitMs, () => this.look())
    this.#waitMs = Math.min(2 * this.#waitMs, lookMs.longest)
  }

  cancel(): void {
    this.#cancel?.()
    this.#cancel = null
  }
}
