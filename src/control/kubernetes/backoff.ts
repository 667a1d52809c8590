/** As client-go's reflector has them (tools/cache/reflector.go). */
const firstMs = 800
const longestMs = 30_000
const forgetMs = 120_000

/** How long to wait after each of several failures: 800 ms, then twice as long each time up to 30 s, times 1 to 2. */
export class Backoff {
  #nextMs = firstMs
  #untilMs = Number.NEGATIVE_INFINITY

  /** `random`: 0 to 1. Two minutes after the last wait it begins again. */
  next(nowMs: number, random: number): number {
    if (nowMs - this.#untilMs > forgetMs) this.#nextMs = firstMs
    const ms = this.#nextMs * (1 + random)
    this.#nextMs = Math.min(this.#nextMs * 2, longestMs)
    this.#untilMs = nowMs + ms
    return ms
  }
}
