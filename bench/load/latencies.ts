/** As many as a run of a few seconds can make; what comes after is not kept. */
const capacity = 1_000_000

/** Latencies of one run, in milliseconds with all their digits (autocannon's own histogram rounds to whole ones). */
export class Latencies {
  readonly #values = new Float64Array(capacity)
  #count = 0

  clear(): void {
    this.#count = 0
  }

  add(ms: number): void {
    if (this.#count < capacity) this.#values[this.#count++] = ms
  }

  /** Percentiles 50, 99 and 99.9. */
  summary(): { readonly p50: number; readonly p99: number; readonly p999: number } {
    const sorted = this.#values.subarray(0, this.#count).sort()
    const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN
    return { p50: at(0.5), p99: at(0.99), p999: at(0.999) }
  }
}
