/**
 * Read buffers of one thread. An idle connection owns none: everyone reads into `scratch`; a direction that
 * moves bulk borrows a buffer of its own and gives it back when its reads turn small. Compared with a fresh
 * allocation for each read (what a.pipe(b) does) this takes 40 to 45 % off the CPU per GB; a small request
 * costs the same (bench/net-plane.ts).
 */
export interface Buffers {
  /** Valid only until the next read of any socket of this thread. */
  readonly scratch: Buffer
  take(): Buffer
  give(buffer: Buffer): void
}

/**
 * 64 KiB: what libuv itself would allocate for a read, and half of what a direction may hold in user space.
 */
export const readSize = 64 * 1024

/** Kept for reuse: 4 MiB a thread; more than that is left to the garbage collector. */
const keepAtMost = 64

export function createBuffers(): Buffers {
  const free: Buffer[] = []
  return {
    scratch: Buffer.allocUnsafeSlow(readSize),
    take: () => free.pop() ?? Buffer.allocUnsafeSlow(readSize),
    give: (buffer) => {
      if (free.length < keepAtMost) free.push(buffer)
    },
  }
}
