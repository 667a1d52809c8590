import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { isatty } from 'node:tty'
import { isJournal, withPriorities } from './journal.ts'
import { readable } from './readable.ts'

/** Where log lines go. Nothing here blocks, throws, or keeps more than the agreed number of bytes. */
export interface Sink {
  /** Whether a person is reading. */
  readonly terminal: boolean
  /** Whether that person's terminal gets colours. */
  readonly colours?: boolean
  /**
   * Takes `lines` whole lines, newline included. They are written now; or kept while the reader is slow; or,
   * when the limit is reached, dropped and counted. From then on all lines are dropped until half of the
   * space is free again, and one line in their place says how many: one visible gap instead of many that
   * nobody notices. Lines of several writers never mix.
   */
  write(text: string, lines?: number): void
  /** Lines dropped since the sink was opened. */
  dropped(): number
  /**
   * Writes what is kept and blocks for it, at most `budgetMs` (250 by default). For the end of the process.
   */
  flushSync(budgetMs?: number): void
  /** flushSync; what is left then counts as dropped. */
  close(): void
}

export interface SinkOptions {
  /** A descriptor, which stays its owner's to close. */
  readonly destination: number
  /** Kept for a reader that is slow; more is dropped. */
  readonly maxBufferedBytes: number
  /** $JOURNAL_STREAM: where the destination is the journal, lines carry their priority. */
  readonly journalStream?: string | undefined
  /** A terminal gets colours. */
  readonly colours?: boolean
}

const shortestRetryMs = 1
/** A reader that reads again waits at most this long for its lines. */
const longestRetryMs = 250

/**
 * Opens a sink. It writes synchronously to a descriptor that does not block, from the main thread, which
 * moves no bytes of connections. Rejected: sonic-boom's asynchronous mode. With a stalled pipe its write(2)
 * blocks a thread of libuv's pool, and a process joins these threads before it exits: `process.exit()` then
 * never returns.
 */
export function openSink(options: SinkOptions): Sink {
  const { destination, maxBufferedBytes, colours = false } = options
  const { fd, owned } = nonBlocking(destination)
  return new BoundedSink(fd, owned, maxBufferedBytes, isJournal(destination, options.journalStream), colours)
}

interface Pending {
  bytes: Buffer
  readonly lines: number
}

class BoundedSink implements Sink {
  readonly terminal: boolean
  readonly colours: boolean
  readonly #fd: number
  readonly #owned: boolean
  readonly #maxBytes: number
  readonly #journal: boolean
  /** Not empty: the reader is slow, and everything queues so that the order is kept. */
  #pending: Pending[] = []
  #pendingBytes = 0
  #dropped = 0
  /** Lines dropped since the last line that said so. */
  #gap = 0
  #retryMs = shortestRetryMs
  #timer: NodeJS.Timeout | null = null
  #closed = false

  constructor(fd: number, owned: boolean, maxBytes: number, journal: boolean, colours: boolean) {
    this.terminal = isatty(fd)
    this.colours = this.terminal && colours
    this.#fd = fd
    this.#owned = owned
    this.#maxBytes = maxBytes
    this.#journal = journal
  }

  write(text: string, lines = 1): void {
    if (this.#gap > 0 && !this.#closed) {
      if (this.#pendingBytes > this.#maxBytes / 2) {
        this.#drop(lines)
        return
      }
      this.#mark()
    }
    const bytes = Buffer.from(this.#journal ? withPriorities(text) : text)
    const written = this.#closed || this.#pending.length > 0 ? 0 : this.#tryWrite(bytes)
    if (written === bytes.length) return
    const rest = bytes.length - written
    // What was begun is kept whatever its size: a line that stops in the middle spoils the next one too.
    if (this.#closed || (written === 0 && this.#pendingBytes + rest > this.#maxBytes)) {
      this.#drop(lines)
      return
    }
    this.#pending.push({ bytes: bytes.subarray(written), lines })
    this.#pendingBytes += rest
    this.#retryLater()
  }

  dropped(): number {
    return this.#dropped
  }

  flushSync(budgetMs = 250): void {
    if (this.#closed) return
    const deadline = performance.now() + budgetMs
    const clock = new Int32Array(new SharedArrayBuffer(4))
    while (!this.#drain() && performance.now() < deadline) Atomics.wait(clock, 0, 0, 5)
  }

  close(): void {
    if (this.#closed) return
    this.flushSync()
    this.#closed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    for (const { lines } of this.#pending) this.#dropped += lines
    this.#pending = []
    if (this.#owned) closeSync(this.#fd)
  }

  #drop(lines: number): void {
    this.#dropped += lines
    this.#gap += lines
  }

  /** The line in the place of those that were dropped. */
  #mark(): void {
    const count = this.#gap
    this.#gap = 0
    const msg = `${count} log line${count === 1 ? '' : 's'} dropped here: the reader is too slow`
    const line = `${JSON.stringify({ level: 'warn', time: new Date().toISOString(), msg, dropped: count })}\n`
    const text = this.terminal ? readable(line, this.colours) : line
    const bytes = Buffer.from(this.#journal ? withPriorities(text) : text)
    this.#pending.push({ bytes, lines: 0 })
    this.#pendingBytes += bytes.length
    this.#retryLater()
  }

  /** True when nothing is kept any more. */
  #drain(): boolean {
    if (this.#gap > 0 && this.#pendingBytes <= this.#maxBytes / 2) this.#mark()

    for (let next = this.#pending[0]; next !== undefined; next = this.#pending[0]) {
      const written = this.#tryWrite(next.bytes)
      this.#pendingBytes -= written
      if (written > 0) this.#retryMs = shortestRetryMs
      if (written < next.bytes.length) {
        next.bytes = next.bytes.subarray(written)
        return false
      }
      this.#pending.shift()
    }
    if (this.#gap === 0) return true
    this.#mark()
    return false
  }

  #retryLater(): void {
    if (this.#timer !== null) return
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.#retryMs = Math.min(this.#retryMs * 2, longestRetryMs)
      if (!this.#drain()) this.#retryLater()
    }, this.#retryMs)
    this.#timer.unref()
  }

  /** Bytes taken. Every error counts as "full for now": a pipe gets a new reader, a disk gets space again. */
  #tryWrite(bytes: Buffer): number {
    try {
      return writeSync(this.#fd, bytes)
    } catch {
      return 0
    }
  }
}

/**
 * A descriptor for the same target that answers EAGAIN instead of blocking. O_NONBLOCK belongs to the open
 * file description, which is shared with whoever started us, so pipes and terminals are opened a second time.
 * A socket (the journal's) cannot be: it is made non-blocking by libuv, as `process.stdout` would do it.
 */
function nonBlocking(fd: number): { fd: number; owned: boolean } {
  if (fstatSync(fd).isFile()) return { fd, owned: false }
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK | constants.O_NOCTTY
  try {
    return { fd: openSync(`/proc/self/fd/${fd}`, flags), owned: true }
  } catch {
    try {
      // Lives as long as the process: it is never ended
      new Socket({ fd, readable: false, writable: true }).unref()
    } catch {
      // Neither way works here: a reader that stalls will block us, as it blocks most programs.
    }
    return { fd, owned: false }
  }
}
