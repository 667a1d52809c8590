import type { SocketAddress } from './address.ts'
import { SetLocks } from './set-locks.ts'

/** What one source may have on a listener. */
export interface PerSourceLimit {
  /** Open at once; null: any number. */
  readonly connections: number | null
  /** New ones a second, as many at once as come in one second; null: any number. */
  readonly perSecond: number | null
  /** Bits of an address that make a source: 0 to 32, 0 to 128. */
  readonly prefix4: number
  readonly prefix6: number
  /** Counts, and refuses nobody. */
  readonly dryRun: boolean
}

export type PerSourceVerdict =
  /** `entry`: to be released at its end. `exceeded`: what would have refused it without `dryRun`. */
  | { readonly kind: 'counted'; readonly entry: number; readonly exceeded: Exceeded | null }
  /** Admitted: there is no room to count it. */
  | { readonly kind: 'untracked' }
  | { readonly kind: 'refused'; readonly exceeded: Exceeded }

export type Exceeded = 'connections' | 'rate'

/**
 * Sources that can be known at once. One is known while it has a connection or its tokens are not all back,
 * which takes a second at most: more than a host has connections. 48 bytes each with four workers, 3 MiB in
 * all; untouched pages cost nothing.
 */
export const maxTracked = 65_536
/** Entries that a source may be in: with half of all entries in use, one source in a thousand finds none. */
const ways = 16
const sets = maxTracked / ways
/** Of an entry's key: listener, prefix length and family, then the prefix. */
const keyWords = 5

/** A prefix of an address, or (family 0) a listener as a whole. */
interface Key {
  readonly words: Int32Array
  readonly set: number
  /** Not 0, which is an empty entry. */
  readonly mark: number
}

const untracked: PerSourceVerdict = { kind: 'untracked' }
const refusedByConnections: PerSourceVerdict = { kind: 'refused', exceeded: 'connections' }
const refusedByRate: PerSourceVerdict = { kind: 'refused', exceeded: 'rate' }

/**
 * Counts of all sources, in shared memory: every worker admits by the same numbers. The alternative, a table
 * in each worker with its part of the limit, needs no lock and is wrong: the kernel spreads the connections
 * of one source unevenly (bench `spread`), so it would refuse below the limit. An admission and its end cost
 * 0.2 to 0.5 µs here and 0.03 µs there (bench/preface.ts; up to 1 µs when four threads on two cores do
 * nothing else), of the 40 µs that a connection has.
 *
 * A source is in one of the 16 entries of its set, which its keyed hash chooses, so that nobody can fill
 * another's. Under the set's lock nothing else can happen to them: a limit is exact. **One column of counts
 * for each worker, written only by it**, so that an end needs no lock and a dead worker's connections are
 * given back by clearing its column. Invariant: an entry with open connections is never given to another
 * source, so its number stays good until release().
 */
export class PerSourceTable {
  readonly buffer: SharedArrayBuffer
  readonly #worker: number
  readonly #workers: number
  /** What each word of a key is multiplied by: drawn from the seed, odd. */
  readonly #factors: Int32Array
  readonly #locks: SetLocks
  readonly #marks: Int32Array
  readonly #keys: Int32Array
  /**
   * When all tokens of an entry are back, by the clock that threads share. Read and written under the lock.
   */
  readonly #fullAtMs: Float64Array
  readonly #open: readonly Int32Array[]
  readonly #scratch = new Int32Array(keyWords)

  /**
   * `worker`: 1 to `workers`, whose connections this thread counts; 0: none, it is main's. `seed`: drawn at
   * random once, the same in all threads. `buffer`: the block of another thread's table.
   */
  constructor(worker: number, workers: number, seed: number, buffer?: SharedArrayBuffer) {
    const cells = sets + maxTracked * (1 + keyWords + workers)
    this.buffer = buffer ?? new SharedArrayBuffer(8 * maxTracked + 4 * cells)
    this.#worker = worker
    this.#workers = workers
    this.#factors = Int32Array.from(
      { length: keyWords },
      (_, i) => finish(seed + Math.imul(i + 1, 0x9e3779b9)) | 1,
    )
    let at = 0
    const next = (length: number): Int32Array => {
      at += 4 * length
      return new Int32Array(this.buffer, at - 4 * length, length)
    }
    this.#fullAtMs = new Float64Array(this.buffer, 0, maxTracked)
    at = 8 * maxTracked
    this.#locks = new SetLocks(next(sets))
    this.#marks = next(maxTracked)
    this.#keys = next(keyWords * maxTracked)
    this.#open = Array.from({ length: workers }, () => next(maxTracked))
  }

  /** Counts one more connection of a source on a listener, if its limit lets it in. */
  admit(listener: number, limit: PerSourceLimit, client: SocketAddress, nowMs: number): PerSourceVerdict {
    const key = this.#keyOf(listener, client, client.family === 4 ? limit.prefix4 : limit.prefix6)
    if (!this.#locks.take(key.set, this.#worker)) return untracked
    try {
      const entry = this.#find(key, nowMs)
      if (entry === -1) return untracked
      const exceeded = this.#exceeded(entry, limit, nowMs)
      if (exceeded !== null && !limit.dryRun)
        return exceeded === 'rate' ? refusedByRate : refusedByConnections
      if (exceeded === null && limit.perSecond !== null) this.#spend(entry, limit.perSecond, nowMs)
      this.#add(entry, 1)
      return { kind: 'counted', entry, exceeded }
    } finally {
      this.#locks.give(key.set)
    }
  }

  /** The end of a connection that this worker has counted. */
  release(entry: number): void {
    this.#add(entry, -1)
  }

  /**
   * A rate that a listener has as a whole, over all workers, counted as if it were a source. How long until
   * it may take one more connection, in ms; 0: now, and it is taken if `take`. Without room to count, it
   * always may.
   */
  waitMs(listener: number, perSecond: number, nowMs: number, take: boolean): number {
    const key = this.#keyOf(listener, null, 0)
    if (!this.#locks.take(key.set, this.#worker)) return 0
    try {
      const entry = this.#find(key, nowMs)
      if (entry === -1) return 0
      const wait = this.#tokenInMs(entry, perSecond, nowMs)
      if (wait === 0 && take) this.#spend(entry, perSecond, nowMs)
      return wait
    } finally {
      this.#locks.give(key.set)
    }
  }

  /** Open connections of an entry's source, over all workers. */
  open(entry: number): number {
    let sum = 0
    for (const column of this.#open) sum += Atomics.load(column, entry)
    return sum
  }

  /** Called by main when worker `worker` is dead: its connections are no more, and it holds nobody up. */
  retire(worker: number): void {
    if (worker < 1 || worker > this.#workers)
      throw new RangeError(`no worker ${worker}: there are ${this.#workers}`)
    this.#open[worker - 1]?.fill(0)
    this.#locks.release(worker)
  }

  #exceeded(entry: number, { connections, perSecond }: PerSourceLimit, nowMs: number): Exceeded | null {
    if (connections !== null && this.open(entry) >= connections) return 'connections'
    return perSecond !== null && this.#tokenInMs(entry, perSecond, nowMs) > 0 ? 'rate' : null
  }

  /**
   * The bucket is one number, when it will be full: each token taken puts that off by what one takes to come
   * back, and with more than all of them gone there is none. (GCRA.)
   */
  #tokenInMs(entry: number, perSecond: number, nowMs: number): number {
    const perToken = 1000 / perSecond
    const burst = Math.max(1, perSecond)
    const missing = (this.#fullAtMs[entry] ?? 0) - nowMs
    const wait = missing - (burst - 1) * perToken
    // Less than a microsecond is the arithmetic's.
    return wait > 0.001 ? wait : 0
  }

  #spend(entry: number, perSecond: number, nowMs: number): void {
    this.#fullAtMs[entry] = Math.max(this.#fullAtMs[entry] ?? 0, nowMs) + 1000 / perSecond
  }

  #add(entry: number, delta: number): void {
    const column = this.#open[this.#worker - 1]
    if (column === undefined) throw new RangeError('main has no connections to count')
    Atomics.store(column, entry, (column[entry] ?? 0) + delta)
  }

  /** The entry of a source, new if it has none; -1: all entries of its set are in use. Under the lock. */
  #find(key: Key, nowMs: number): number {
    const from = key.set * ways
    let empty = -1
    for (let entry = from; entry < from + ways; entry++) {
      const mark = this.#marks[entry] ?? 0
      if (mark === key.mark && this.#isOf(entry, key)) return entry
      if (mark === 0 && empty === -1) empty = entry
    }
    if (empty === -1) empty = this.#idle(from, nowMs)
    if (empty === -1) return -1
    // The mark is written last: an entry that a thread died over is empty.
    this.#marks[empty] = 0
    this.#keys.set(key.words, empty * keyWords)
    this.#fullAtMs[empty] = 0
    this.#marks[empty] = key.mark
    return empty
  }

  #isOf(entry: number, { words }: Key): boolean {
    const at = entry * keyWords
    for (let i = 0; i < keyWords; i++) if (this.#keys[at + i] !== words[i]) return false
    return true
  }

  /** An entry of which nothing would be lost: no connection is open, and all its tokens are back. */
  #idle(from: number, nowMs: number): number {
    for (let entry = from; entry < from + ways; entry++) {
      if ((this.#fullAtMs[entry] ?? 0) <= nowMs && this.open(entry) === 0) return entry
    }
    return -1
  }

  /** Valid until the next call. `client`: null for the listener as a whole. */
  #keyOf(listener: number, client: SocketAddress | null, prefix: number): Key {
    const words = this.#scratch
    words.fill(0)
    words[0] = (listener << 12) | (prefix << 4) | (client?.family ?? 0)
    const bytes = client?.bytes
    if (bytes !== undefined) {
      for (let word = 0; 32 * word < prefix; word++) words[1 + word] = masked(bytes, word, prefix - 32 * word)
    }
    let hash = 0
    for (let i = 0; i < keyWords; i++) {
      // No fixed multiplication: a sender of many addresses could then have them all in one set, where none
      // is counted.
      hash = Math.imul(hash ^ (words[i] ?? 0), this.#factors[i] ?? 1)
      hash ^= hash >>> 15
    }
    hash = finish(hash)
    return { words, set: (hash >>> 0) % sets, mark: hash | (1 << 31) }
  }
}

/** The first `bits` of the address's 32-bit word `word`, at least one of them. */
function masked(bytes: Uint8Array, word: number, bits: number): number {
  const at = 4 * word
  const high = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
  const value = (high << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)
  return bits >= 32 ? value : value & (0xffffffff << (32 - bits))
}

/** The last steps of MurmurHash3: every bit depends on every bit. */
function finish(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}
