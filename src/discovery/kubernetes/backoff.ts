/** As client-go's reflector has them (tools/cache/reflector.go): the first wait, and the longest. */
const firstMs = 800
const longestMs = 30_000
/**
 * Asking a server that is not there costs nothing, and one that restarts has to be followed within 10 s of
 * its being ready.
 */
const soonMs = 5_000
/**
 * By then a restart is over: a server that still refuses us has another reason, and need not be asked so
 * often.
 */
const restartMs = 120_000

/**
 * How long to wait after each of several failures: 800 ms, then twice as long each time, all of it times 1 to
 * 2.
 */
export class Backoff {
  #stepMs = firstMs
  #trouble: { readonly answered: boolean; readonly sinceMs: number } | null = null

  /**
   * `random`: 0 to 1. `answered`: the server did answer, only not as we wish. At most 5 s while nobody
   * answers, and during the first two minutes of refusals; 30 s after that. It begins anew when a server that
   * was away answers.
   */
  next(nowMs: number, random: number, answered: boolean): number {
    if (this.#trouble?.answered !== answered) {
      this.reset()
      this.#trouble = { answered, sinceMs: nowMs }
    }
    const lasting = answered && nowMs - this.#trouble.sinceMs >= restartMs
    const mostMs = (lasting ? longestMs : soonMs) / 2
    const ms = Math.min(this.#stepMs, mostMs) * (1 + random)
    this.#stepMs = Math.min(this.#stepMs * 2, longestMs)
    return ms
  }

  /** The server has answered as it should. */
  reset(): void {
    this.#stepMs = firstMs
    this.#trouble = null
  }
}
