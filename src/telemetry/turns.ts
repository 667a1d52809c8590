/** Admits at most `most` callers at a time; the others wait in order of arrival. */
export class Turns {
  #free: number
  readonly #line: (() => void)[] = []

  constructor(most: number) {
    this.#free = most
  }

  /** Resolves when it is the caller's turn, which ends with leave(). */
  take(): Promise<void> {
    if (this.#free > 0) {
      this.#free--
      return Promise.resolve()
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#line.push(resolve)
    return promise
  }

  leave(): void {
    const next = this.#line.shift()
    if (next === undefined) this.#free++
    else next()
  }
}
