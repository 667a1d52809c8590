import { Fd } from '../../linux/fd.ts'
import type { Libc } from '../../linux/libc.ts'

/** 64 KiB costs a little more on veth; 1 MiB brings nothing. */
export const pipeBytes = 256 * 1024
/** A pipe that the kernel made smaller than this is not worth its two descriptors. */
const leastBytes = 64 * 1024
/**
 * How long no pipe is made after the kernel has refused one; by then other processes of this user may have
 * returned pages.
 */
const sulkMs = 10_000

/** Bytes in the kernel, by splice(2). */
export class Pipe {
  readonly kind = 'pipe'
  readonly read: Fd
  readonly write: Fd
  size = 0
  readonly #libc: Libc

  constructor(libc: Libc, { read, write }: { readonly read: Fd; readonly write: Fd }) {
    this.#libc = libc
    this.read = read
    this.write = write
  }

  pull(from: Fd): number {
    const count = this.#libc.splice(from, this.write, pipeBytes)
    if (count > 0) this.size += count
    return count
  }

  push(to: Fd): number {
    const count = this.#libc.splice(this.read, to, this.size)
    if (count > 0) this.size -= count
    return count
  }
}

/**
 * Empty pipes of one thread, made when first needed. A user has a budget of pages for all pipes
 * (fs.pipe-user-pages-soft); beyond it a new pipe has 8 KiB, which is too small to be of use.
 */
export class Pipes {
  readonly #libc: Libc
  readonly #most: number
  readonly #now: () => number
  readonly #changed: (used: number, idle: number) => void
  readonly #idle: Pipe[] = []
  #used = 0
  #refusedUntilMs = 0

  /** `budgetBytes`: what this thread's pipes may hold together. */
  constructor(
    libc: Libc,
    budgetBytes: number,
    now: () => number,
    changed: (used: number, idle: number) => void,
  ) {
    this.#libc = libc
    this.#most = Math.floor(budgetBytes / pipeBytes)
    this.#now = now
    this.#changed = changed
  }

  /** An empty pipe, or null: stay on recv and send. */
  take(): Pipe | null {
    const pipe = this.#idle.pop() ?? this.#make()
    if (pipe === null) return null
    this.#used++
    this.#changed(this.#used, this.#idle.length)
    return pipe
  }

  /** Takes an empty pipe back. */
  give(pipe: Pipe): void {
    this.#used--
    this.#idle.push(pipe)
    this.#changed(this.#used, this.#idle.length)
  }

  /** Lets a pipe go that still holds data: its descriptors are the caller's. */
  release(pipe: Pipe): readonly [number, number] {
    this.#used--
    this.#changed(this.#used, this.#idle.length)
    return [this.#libc.release(pipe.read), this.#libc.release(pipe.write)]
  }

  /**
   * Takes over a pipe that another thread or process has filled, beyond the budget if need be; its two ends
   * are taken from the first of `ends`. null: there is none with 0 bytes.
   */
  adopt(bytes: number, ends: number[]): Pipe | null {
    if (bytes === 0) return null
    const [read = -1, write = -1] = ends.splice(0, 2)
    const pipe = new Pipe(this.#libc, { read: new Fd(read), write: new Fd(write) })
    this.#libc.adopt(pipe.read)
    this.#libc.adopt(pipe.write)
    pipe.size = bytes
    this.#used++
    this.#changed(this.#used, this.#idle.length)
    return pipe
  }

  /** Takes a pipe that still holds data: it is closed, because the next connection must not read it. */
  discard(pipe: Pipe): void {
    this.#used--
    this.#close(pipe)
    this.#changed(this.#used, this.#idle.length)
  }

  #make(): Pipe | null {
    if (this.#used >= this.#most || this.#now() < this.#refusedUntilMs) return null
    const ends = this.#libc.pipe()
    if (typeof ends !== 'number') {
      const pipe = new Pipe(this.#libc, ends)
      if (this.#libc.setPipeSize(pipe.write, pipeBytes) >= leastBytes) return pipe
      this.#close(pipe)
    }
    this.#refusedUntilMs = this.#now() + sulkMs
    return null
  }

  #close(pipe: Pipe): void {
    this.#libc.close(pipe.read)
    this.#libc.close(pipe.write)
  }
}
