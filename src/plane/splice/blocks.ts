import type { Block } from '../../linux/block.ts'
import { MSG_NOSIGNAL } from '../../linux/constants.ts'
import type { Fd } from '../../linux/fd.ts'
import type { Libc } from '../../linux/libc.ts'

/**
 * What one read fills: 48 KiB. With 64 KiB the kernel's loopback needs twice the CPU (nginx's too), with 16
 * KiB the system calls show.
 */
export const blockSize = 48 * 1024
/** Kept for reuse: 3 MiB a thread; more than that is left to the garbage collector. */
const keepAtMost = 64

/**
 * Bytes in user space, by recv and send. Of pull() and push() as of Pipe's: one call each, bytes, 0 or a
 * negative errno.
 */
export class Memory {
  readonly kind = 'memory'
  readonly #libc: Libc
  readonly #block: Block
  #from = 0
  #to = 0

  constructor(libc: Libc, block: Block) {
    this.#libc = libc
    this.#block = block
  }

  get size(): number {
    return this.#to - this.#from
  }

  /** What the next pull() has room for. */
  get room(): number {
    return this.#block.size - this.#to
  }

  /** Drops what is in it, and begins with `bytes`. */
  set(bytes: Uint8Array): void {
    this.#block.bytes.set(bytes)
    this.#from = 0
    this.#to = bytes.length
  }

  /** A copy of what is in it. */
  copy(): Uint8Array {
    return Uint8Array.from(this.#block.bytes.subarray(this.#from, this.#to))
  }

  /** Takes what `other` has, and leaves it empty. */
  takeFrom(other: Memory): void {
    other.#block.bytes.copy(this.#block.bytes, 0, other.#from, other.#to)
    this.#from = 0
    this.#to = other.size
    other.clear()
  }

  clear(): void {
    this.#from = this.#to = 0
  }

  /** Behind what is in it. */
  pull(from: Fd): number {
    const count = this.#libc.recv(from, this.#block, this.#to, this.room, 0)
    if (count > 0) this.#to += count
    return count
  }

  /** `flags`: of send(2). */
  push(to: Fd, flags: number): number {
    const count = this.#libc.send(to, this.#block, this.#from, this.size, MSG_NOSIGNAL | flags)
    if (count > 0) this.#from += count
    return count
  }
}

/** Blocks for bytes that a target did not take at once. Only a direction that is held back has one. */
export interface Blocks {
  /** An empty one. */
  take(): Memory
  give(memory: Memory): void
}

export function createBlocks(libc: Libc): Blocks {
  const free: Memory[] = []
  return {
    take: () => free.pop() ?? new Memory(libc, libc.block(blockSize)),
    give(memory) {
      memory.clear()
      if (free.length < keepAtMost) free.push(memory)
    },
  }
}
