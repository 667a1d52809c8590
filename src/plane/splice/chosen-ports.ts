import type { LocalPorts } from '../../linux/local-ports.ts'

/** An administrator may change the range while we run: how long we may not know. Reading costs some 20 µs. */
const rereadMs = 1_000

/** Which ports the kernel may choose as the local one of a dial. */
export class ChosenPorts {
  readonly #read: () => LocalPorts | null
  readonly #now: () => number
  #range: LocalPorts | null = null
  #readMs = Number.NEGATIVE_INFINITY

  /** `now`: monotonic ms. `read` says null where nobody knows: then any port may be chosen. */
  constructor(read: () => LocalPorts | null, now: () => number) {
    this.#read = read
    this.#now = now
  }

  has(port: number): boolean {
    const nowMs = this.#now()
    if (nowMs - this.#readMs >= rereadMs) {
      this.#readMs = nowMs
      this.#range = this.#read()
    }
    return this.#range === null || (port >= this.#range.least && port <= this.#range.most)
  }
}
