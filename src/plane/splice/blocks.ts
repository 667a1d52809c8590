import type { Block } from '../../linux/block.ts'
import type { Libc } from '../../linux/libc.ts'

/**
 * What one read fills: 48 KiB. With 64 KiB the kernel's loopback needs twice the CPU (nginx's too), with 16 KiB the
 * system calls show.
 */
export const blockSize = 48 * 1024
/** Kept for reuse: 3 MiB a thread; more than that is left to the garbage collector. */
const keepAtMost = 64

/** Blocks for bytes that a target did not take at once. Only a direction that is held back has one. */
export interface Blocks {
  take(): Block
  give(block: Block): void
}

export function createBlocks(libc: Libc): Blocks {
  const free: Block[] = []
  return {
    take: () => free.pop() ?? libc.block(blockSize),
    give(block) {
      if (free.length < keepAtMost) free.push(block)
    },
  }
}
