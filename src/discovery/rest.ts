import type { After } from '../core/after.ts'

/** Nine times what the work took: it gets at most a tenth of a core. */
const restFactor = 9
/** On a busy machine work seems to take long; changes have to come into use nevertheless. */
const longestRestMs = 1_000

type State =
  | { readonly kind: 'idle' }
  /** `again`: somebody has asked meanwhile. */
  | { readonly kind: 'resting'; readonly cancel: () => void; readonly again: boolean }

/**
 * Work that is asked for often and of which only the last request counts: done at once, and then not again
 * before it has rested in proportion to what it cost. So a burst of requests costs the work twice, however
 * expensive it is.
 */
export class Rest {
  readonly #work: () => void
  readonly #after: After
  readonly #nowMs: () => number
  #state: State = { kind: 'idle' }

  constructor(work: () => void, { after, nowMs }: { readonly after: After; readonly nowMs: () => number }) {
    this.#work = work
    this.#after = after
    this.#nowMs = nowMs
  }

  /** Works now, or when the rest is over. */
  ask(): void {
    if (this.#state.kind === 'resting') this.#state = { ...this.#state, again: true }
    else this.#begin()
  }

  /** What was asked for and not done is forgotten. */
  stop(): void {
    if (this.#state.kind === 'resting') this.#state.cancel()
    this.#state = { kind: 'idle' }
  }

  #begin(): void {
    const startMs = this.#nowMs()
    this.#work()
    const restMs = Math.min(longestRestMs, restFactor * (this.#nowMs() - startMs))
    if (restMs < 1) return // timers are no finer
    const cancel = this.#after(restMs, () => {
      const { again } = { again: false, ...this.#state }
      this.#state = { kind: 'idle' }
      if (again) this.#begin()
    })
    this.#state = { kind: 'resting', cancel, again: false }
  }
}
