/** Tries before a thread lets the others run: the work under a lock takes a tenth of this. */
const spins = 100
/**
 * A holder that the kernel has put aside on a crowded host is back within that; one that is not is dead, in a
 * moment of which there are few, and main is about to say so.
 */
const waitMs = 100
const maxWaits = 10
/** Somebody sleeps until the lock is free. The holder's number is below it. */
const awaited = 1 << 16

/**
 * Locks that threads share, one in each cell. Held for less than a microsecond, by synchronous code only. A
 * holder that died keeps its locks until release() is called for it.
 */
export class SetLocks {
  readonly #cells: Int32Array

  constructor(cells: Int32Array) {
    this.#cells = cells
  }

  /** `holder`: 1 to 65535. False: nobody gave it for a second, so that no dead thread ever stops another. */
  take(cell: number, holder: number): boolean {
    const cells = this.#cells
    for (let spin = 0; spin < spins; spin++) {
      if (Atomics.compareExchange(cells, cell, 0, holder) === 0) return true
    }
    // A thread that was woken may find it taken again: only time counts.
    for (let waited = 0; waited < maxWaits; ) {
      // Marked as awaited, because whoever else sleeps has to be woken by this one.
      const found = Atomics.compareExchange(cells, cell, 0, holder | awaited)
      if (found === 0) return true
      const marked = found | awaited
      if (found !== marked && Atomics.compareExchange(cells, cell, found, marked) !== found) continue
      if (Atomics.wait(cells, cell, marked, waitMs) === 'timed-out') waited++
    }
    return false
  }

  give(cell: number): void {
    if ((Atomics.exchange(this.#cells, cell, 0) & awaited) !== 0) Atomics.notify(this.#cells, cell, 1)
  }

  /** Gives all locks of a thread that is dead. */
  release(holder: number): void {
    for (let cell = 0; cell < this.#cells.length; cell++) {
      if ((Atomics.load(this.#cells, cell) & ~awaited) === holder) this.give(cell)
    }
  }
}
