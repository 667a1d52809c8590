import type { After } from '../core/after.ts'

/** Nine times what the work took: it gets at most a tenth of a core. */
const restFactor = 9
/** On a busy machine work seems to take long; changes have to come into use nevertheless. */
const longestRestMs = 1_000

/** How long to rest after a piece of work that took `tookMs`. */
type RestMs = (tookMs: number) => number

const tenthOfACore: RestMs = (tookMs) => Math.min(longestRestMs, restFactor * tookMs)

/**
 * `most` pieces of work without a rest, and one more for each `everyMs`: whoever asks all the time gets one
 * in `everyMs`.
 */
export function inBursts(most: number, everyMs: number, nowMs: () => number): RestMs {
  let left = most
  let countedMs = nowMs()
  return () => {
    const now = nowMs()
    const more = Math.floor((now - countedMs) / everyMs)
    countedMs += more * everyMs
    left = Math.min(most, left + more) - 1
    return left > 0 ? 0 : countedMs + everyMs - now
  }
}

/**
 * Work that is asked for often and of which only the last request counts: done at once, and then not again
 * before it has rested in proportion to what it cost. So a burst of requests costs the work twice, however
 * expensive it is.
 */
export class Rest {
  readonly #work: () => void
  readonly #after: After
  readonly #nowMs: () => number
  readonly #restMs: RestMs
  #untilMs = Number.NEGATIVE_INFINITY
  /** null: nobody has asked since it rests. */
  #cancel: (() => void) | null = null

  constructor(
    work: () => void,
    { after, nowMs }: { readonly after: After; readonly nowMs: () => number },
    restMs = tenthOfACore,
  ) {
    this.#work = work
    this.#after = after
    this.#nowMs = nowMs
    this.#restMs = restMs
  }

  /** Works now, or when the rest is over. */
  ask(): void {
    if (this.#cancel !== null) return
    const leftMs = this.#untilMs - this.#nowMs()
    // Timers are no finer than a millisecond.
    if (leftMs < 1) this.#begin()
    else this.#cancel = this.#after(leftMs, () => this.#begin())
  }

  /** What was asked for and not done is forgotten. */
  stop(): void {
    this.#cancel?.()
    this.#cancel = null
  }

  #begin(): void {
    this.#cancel = null
    const startMs = this.#nowMs()
    this.#work()
    const endMs = this.#nowMs()
    this.#untilMs = endMs + this.#restMs(endMs - startMs)
  }
}
