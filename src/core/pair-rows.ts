import type { Outcome } from './outcome.ts'
import type { Timeouts } from './snapshot.ts'

/**
 * What main has to know of an established connection to go on with it when its worker is dead, in memory
 * that both share: a row for each client's descriptor, whose numbers belong to the process and are never two
 * connections' at once. Written once by the worker, its owner last, so that a row that has one is complete;
 * the owner is taken out before the descriptors close. What it said of bytes would be old at once: they are
 * asked of the kernel (linux/orphan.ts), and whether these still are the sockets, too.
 */

/** A row, as it is written and read. Times are milliseconds of the clock that threads share. */
export interface PairRow {
  readonly upstream: number
  readonly cookies: { readonly downstream: bigint; readonly upstream: bigint }
  /** Where each is in its worker's poller; -1: it is on its way to a worker. */
  readonly places: { readonly downstream: number; readonly upstream: number }
  readonly headerBytes: number
  readonly prefaceBytes: number
  /** Slots of the tally. */
  readonly listener: number
  readonly endpoint: number
  /** What its id is made of; `worker` 0: `words` has it. */
  readonly id: { readonly worker: number; readonly number: number }
  readonly client: { readonly family: 4 | 6; readonly bytes: Uint8Array; readonly port: number }
  readonly startMs: number
  readonly relayedMs: number
  /** Infinity: it may last for ever. */
  readonly endsMs: number
  readonly dialMs: number
  /** -1: its endpoint has not said anything. */
  readonly firstByteMs: number
  readonly timeouts: Timeouts
  readonly nobody: boolean
  readonly counted: boolean
  readonly warm: boolean
  readonly closeOnRemoval: boolean
  /** How many times it has changed process; how many of its workers have died of nobody knows what. */
  readonly moves: number
  readonly crashes: number
  readonly words: PairWords
}

/** What few connections have. */
export interface PairWords {
  readonly id: string | null
  readonly serverName: string | null
  readonly attempts: Outcome['attempts']
}

/**
 * Descriptors that have a row: 131,072 connections. The kernel gives the lowest free number, so that it is
 * not chance which connections have one. 384 bytes each, 96 MiB of address space; untouched pages cost
 * nothing.
 */
const mostDescriptors = 262_144

/** Int32 cells of a row. */
const int = {
  owner: 0,
  upstream: 1,
  placeDown: 2,
  placeUp: 3,
  headerBytes: 4,
  prefaceBytes: 5,
  listener: 6,
  endpoint: 7,
  worker: 8,
  family: 9,
  port: 10,
  flags: 11,
  moves: 12,
  crashes: 13,
  keepaliveCount: 14,
  wordBytes: 15,
} as const
const addressAt = 64
/** Float64 cells, of the same row. */
const float = {
  cookieDown: 10,
  cookieUp: 11,
  number: 12,
  startMs: 13,
  relayedMs: 14,
  endsMs: 15,
  dialMs: 16,
  firstByteMs: 17,
  idleMs: 18,
  halfCloseMs: 19,
  stallMs: 20,
  unackedMs: 21,
  sessionMs: 22,
  keepaliveIdleMs: 23,
  keepaliveIntervalMs: 24,
} as const
const wordsAt = 200
const rowBytes = 384
/** A server name of 253 bytes has no room: a line of the log lacks it then. */
const mostWordBytes = rowBytes - wordsAt
const flag = { nobody: 1, counted: 2, warm: 4, closeOnRemoval: 8 } as const

const noWords: PairWords = { id: null, serverName: null, attempts: [] }
const encoder = new TextEncoder()
const decoder = new TextDecoder()

export class PairRows {
  readonly buffer: SharedArrayBuffer
  readonly #workers: number
  /** A word for each worker: the place in its poller that it is about. */
  readonly #handling: Int32Array
  readonly #ints: Int32Array
  readonly #floats: Float64Array
  readonly #bigs: BigUint64Array
  readonly #bytes: Uint8Array
  readonly #size: number

  /** `descriptors`: numbers are below this. `buffer`: the block of another thread's rows. */
  constructor(workers: number, descriptors: number, buffer?: SharedArrayBuffer) {
    const headBytes = 8 * Math.ceil((workers + 1) / 2)
    this.#workers = workers
    this.#size = Math.min(descriptors, mostDescriptors)
    this.buffer = buffer ?? new SharedArrayBuffer(headBytes + this.#size * rowBytes)
    const bytes = this.#size * rowBytes
    this.#handling = new Int32Array(this.buffer, 0, workers + 1)
    this.#ints = new Int32Array(this.buffer, headBytes, bytes / 4)
    this.#floats = new Float64Array(this.buffer, headBytes, bytes / 8)
    this.#bigs = new BigUint64Array(this.buffer, headBytes, bytes / 8)
    this.#bytes = new Uint8Array(this.buffer, headBytes, bytes)
  }

  /**
   * One word, to which worker `index` writes the place in its poller whose events it is about to look at; 0:
   * none. What it says when the worker is dead is what the worker died of.
   */
  handling(index: number): Int32Array {
    if (index < 1 || index > this.#workers)
      throw new RangeError(`no worker ${index}: there are ${this.#workers}`)
    return this.#handling.subarray(index, index + 1)
  }

  /** False: there is no room for this descriptor. */
  write(descriptor: number, owner: number, row: PairRow): boolean {
    if (descriptor >= this.#size) return false
    const ints = (descriptor * rowBytes) / 4
    const floats = (descriptor * rowBytes) / 8
    this.clear(descriptor)
    const [i, f] = [this.#ints, this.#floats]
    i[ints + int.upstream] = row.upstream
    i[ints + int.placeDown] = row.places.downstream
    i[ints + int.placeUp] = row.places.upstream
    i[ints + int.headerBytes] = row.headerBytes
    i[ints + int.prefaceBytes] = row.prefaceBytes
    i[ints + int.listener] = row.listener
    i[ints + int.endpoint] = row.endpoint
    i[ints + int.worker] = row.id.worker
    i[ints + int.family] = row.client.family
    i[ints + int.port] = row.client.port
    i[ints + int.flags] =
      (row.nobody ? flag.nobody : 0) |
      (row.counted ? flag.counted : 0) |
      (row.warm ? flag.warm : 0) |
      (row.closeOnRemoval ? flag.closeOnRemoval : 0)
    i[ints + int.moves] = row.moves
    i[ints + int.crashes] = row.crashes
    i[ints + int.keepaliveCount] = row.timeouts.keepalive.count
    this.#bytes.set(row.client.bytes, descriptor * rowBytes + addressAt)
    this.#bigs[floats + float.cookieDown] = row.cookies.downstream
    this.#bigs[floats + float.cookieUp] = row.cookies.upstream
    f[floats + float.number] = row.id.number
    f[floats + float.startMs] = row.startMs
    f[floats + float.relayedMs] = row.relayedMs
    f[floats + float.endsMs] = row.endsMs
    f[floats + float.dialMs] = row.dialMs
    f[floats + float.firstByteMs] = row.firstByteMs
    f[floats + float.idleMs] = row.timeouts.idleMs
    f[floats + float.halfCloseMs] = row.timeouts.halfCloseMs
    f[floats + float.stallMs] = row.timeouts.stallMs
    f[floats + float.unackedMs] = row.timeouts.unackedMs
    f[floats + float.sessionMs] = row.timeouts.sessionMs
    f[floats + float.keepaliveIdleMs] = row.timeouts.keepalive.idleMs
    f[floats + float.keepaliveIntervalMs] = row.timeouts.keepalive.intervalMs
    i[ints + int.wordBytes] = this.#writeWords(descriptor, row.words)
    Atomics.store(i, ints + int.owner, owner)
    return true
  }

  /** The row of a descriptor, if it is complete and this worker's. */
  read(descriptor: number, owner: number): PairRow | null {
    const ints = (descriptor * rowBytes) / 4
    const floats = (descriptor * rowBytes) / 8
    const i = (cell: number): number => this.#ints[ints + cell] ?? 0
    const f = (cell: number): number => this.#floats[floats + cell] ?? 0
    const big = (cell: number): bigint => this.#bigs[floats + cell] ?? 0n
    if (descriptor >= this.#size || Atomics.load(this.#ints, ints + int.owner) !== owner) return null
    const family = i(int.family) === 4 ? 4 : 6
    const address = descriptor * rowBytes + addressAt
    const flags = i(int.flags)
    return {
      upstream: i(int.upstream),
      cookies: { downstream: big(float.cookieDown), upstream: big(float.cookieUp) },
      places: { downstream: i(int.placeDown), upstream: i(int.placeUp) },
      headerBytes: i(int.headerBytes),
      prefaceBytes: i(int.prefaceBytes),
      listener: i(int.listener),
      endpoint: i(int.endpoint),
      id: { worker: i(int.worker), number: f(float.number) },
      client: {
        family,
        bytes: Uint8Array.from(this.#bytes.subarray(address, address + (family === 4 ? 4 : 16))),
        port: i(int.port),
      },
      startMs: f(float.startMs),
      relayedMs: f(float.relayedMs),
      endsMs: f(float.endsMs),
      dialMs: f(float.dialMs),
      firstByteMs: f(float.firstByteMs),
      timeouts: {
        idleMs: f(float.idleMs),
        halfCloseMs: f(float.halfCloseMs),
        stallMs: f(float.stallMs),
        unackedMs: f(float.unackedMs),
        sessionMs: f(float.sessionMs),
        keepalive: {
          idleMs: f(float.keepaliveIdleMs),
          intervalMs: f(float.keepaliveIntervalMs),
          count: i(int.keepaliveCount),
        },
      },
      nobody: (flags & flag.nobody) !== 0,
      counted: (flags & flag.counted) !== 0,
      warm: (flags & flag.warm) !== 0,
      closeOnRemoval: (flags & flag.closeOnRemoval) !== 0,
      moves: i(int.moves),
      crashes: i(int.crashes),
      words: this.#readWords(descriptor, i(int.wordBytes)),
    }
  }

  /** The endpoint's first byte has come. */
  heard(descriptor: number, firstByteMs: number): void {
    if (descriptor < this.#size) this.#floats[(descriptor * rowBytes) / 8 + float.firstByteMs] = firstByteMs
  }

  /**
   * Called by main: the connection is on its way to another worker, and found with it if that one dies before
   * it writes the row anew.
   */
  give(descriptor: number, owner: number, crashes: number): void {
    const ints = (descriptor * rowBytes) / 4
    this.clear(descriptor)
    this.#ints[ints + int.placeDown] = -1
    this.#ints[ints + int.placeUp] = -1
    this.#ints[ints + int.crashes] = crashes
    Atomics.store(this.#ints, ints + int.owner, owner)
  }

  /** Before the descriptors close, or leave this thread. */
  clear(descriptor: number): void {
    if (descriptor < this.#size) Atomics.store(this.#ints, (descriptor * rowBytes) / 4 + int.owner, 0)
  }

  /** Returns how many bytes: of what does not fit, first the attempts are left out, then the name. */
  #writeWords(descriptor: number, words: PairWords): number {
    const { id, serverName, attempts } = words
    if (id === null && serverName === null && attempts.length === 0) return 0
    for (const some of [words, { id, serverName, attempts: [] }, { id, serverName: null, attempts: [] }]) {
      const bytes = encoder.encode(JSON.stringify(some))
      if (bytes.length > mostWordBytes) continue
      this.#bytes.set(bytes, descriptor * rowBytes + wordsAt)
      return bytes.length
    }
    return 0
  }

  #readWords(descriptor: number, count: number): PairWords {
    if (count === 0) return noWords
    const at = descriptor * rowBytes + wordsAt
    return JSON.parse(decoder.decode(Uint8Array.from(this.#bytes.subarray(at, at + count))))
  }
}
