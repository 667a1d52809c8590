import type { After } from '../../core/after.ts'

/** How many are done without delay: enough for a Service of a few slices. */
const burst = 10
/**
 * As kube-proxy's minSyncPeriod: a rollout of hundreds of slices is hundreds of events, and one new set a
 * second will do.
 */
const restMs = 1_000

/**
 * Does what is asked for at once, up to ten times; after that once a second, for all requests made meanwhile.
 */
export class Pace {
  readonly #act: () => void
  readonly #after: After
  readonly #nowMs: () => number
  #left = burst
  #countedMs: number
  #cancel: (() => void) | null = null

  constructor(act: () => void, after: After, nowMs: () => number) {
    this.#act = act
    this.#after = after
    this.#nowMs = nowMs
    this.#countedMs = nowMs()
  }

  wish(): void {
    if (this.#cancel !== null) return
    this.#refill()
    if (this.#left > 0) this.#do()
    else
      this.#cancel = this.#after(this.#countedMs + restMs - this.#nowMs(), () => {
        this.#cancel = null
        this.#refill()
        this.#do()
      })
  }

  stop(): void {
    this.#cancel?.()
  }

  #do(): void {
    this.#left--
    this.#act()
  }

  /** One more for each second. */
  #refill(): void {
    const rests = Math.floor((this.#nowMs() - this.#countedMs) / restMs)
    this.#countedMs += rests * restMs
    this.#left = Math.min(burst, this.#left + rests)
  }
}
