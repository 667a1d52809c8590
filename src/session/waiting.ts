import { type Member, Roster } from '../core/roster.ts'
import type { Sign } from '../core/sign.ts'
import { type FirstBytes, isSilent, patienceMs, smoothed, smoothedOvertaken } from '../core/silence.ts'
import type { PoolSnapshot } from '../core/snapshot.ts'
import { add, endpointCell, endpointField, type Tally } from '../core/tally.ts'
import type { Cancel } from '../plane/plane.ts'

/** A connection that has sent its first bytes to an endpoint and waits for the first byte back. */
export class Waiter implements Member {
  readonly kind = 'asked'
  seat = -1
  slot = 0
  /** Of the clock that all workers share. */
  sinceMs = 0
}

export interface WaitingContext {
  readonly tally: Tally
  /** This worker's row of the tally. */
  readonly row: Float64Array
  readonly after: (ms: number, fire: () => void) => Cancel
  /** Monotonic milliseconds, the same in all workers. */
  readonly nowMs: () => number
  readonly sign: (sign: Sign) => void
}

/** How often overdue connections are looked for: half of the shortest patience. */
const sweepMs = 50
/**
 * Connections that wait for longer are no longer checked: either the silence is known by now, or the protocol
 * waits by design.
 */
const longestMs = 60_000
/** An endpoint that main does not call silent is named again after this. */
const repeatMs = 500

/** What a sweep has found of one endpoint. */
interface Late {
  count: number
  oldestMs: number
  latestMs: number
  overtaken: number
}

/**
 * Who waits for a first byte in this worker, and how long that usually takes. One timer for all of them,
 * while there are any; what core/silence.ts has to know of other workers it reads from their rows.
 */
export class Waiting {
  readonly #context: WaitingContext
  readonly #waiters = new Roster<Waiter>()
  /** Made once and used again: a connection costs no allocation here. */
  readonly #spare: Waiter[] = []
  /** Pools with an alternative, by the slots of their endpoints. */
  #pools: ReadonlyMap<number, PoolSnapshot> = new Map()
  /** Slots whose cell of `overdue` is not zero. */
  #overdue: ReadonlySet<number> = new Set()
  readonly #answersSeen = new Map<number, number>()
  /** Since the latest answer. */
  readonly #overtaken = new Map<number, number>()
  readonly #namedMs = new Map<number, number>()
  #sweeping = false
  #dueMs = 0

  constructor(context: WaitingContext) {
    this.#context = context
  }

  /** Takes the pools that are in use from now on. */
  update(pools: Iterable<PoolSnapshot>): void {
    const bySlot = new Map<number, PoolSnapshot>()
    for (const pool of pools) {
      if (pool.endpoints.length < 2) continue
      for (const { slot } of pool.endpoints) bySlot.set(slot, pool)
    }
    this.#pools = bySlot
    for (const known of [this.#answersSeen, this.#overtaken, this.#namedMs])
      for (const slot of known.keys()) if (!bySlot.has(slot)) known.delete(slot)
  }

  /**
   * A client that has waited for `ageMs` in another process. Nobody looks for its silence: that process did,
   * and what is usual is not known here yet.
   */
  resumed(slot: number, ageMs: number): Waiter {
    const waiter = this.#spare.pop() ?? new Waiter()
    waiter.slot = slot
    waiter.sinceMs = this.#context.nowMs() - ageMs
    return waiter
  }

  /** For how long it has waited. */
  waitedMs({ sinceMs }: Waiter): number {
    return this.#context.nowMs() - sinceMs
  }

  /**
   * A client's first bytes went to the endpoint. Whoever gets a Waiter gives it back, by heard() or left().
   */
  asked(slot: number): Waiter {
    const waiter = this.#spare.pop() ?? new Waiter()
    waiter.slot = slot
    waiter.sinceMs = this.#context.nowMs()
    // The silence of an endpoint that has never answered means nothing.
    const usualMs = this.#context.row[endpointCell(slot) + endpointField.firstByteMs] ?? 0
    if (usualMs > 0 && this.#pools.has(slot)) {
      this.#waiters.add(waiter)
      if (!this.#sweeping) this.#sweepLater(waiter.sinceMs)
    }
    return waiter
  }

  /**
   * The endpoint's first byte on a connection came. `waiter`: who has waited for it; null: nobody, it spoke
   * first. Returns how long it took; -1 when nobody has waited.
   */
  heard(slot: number, waiter: Waiter | null): number {
    const { tally, row, nowMs, sign } = this.#context
    const cells = endpointCell(slot)
    add(row, cells + endpointField.served, 1)
    if (tally.silent(slot) && tally.hear(slot)) sign({ kind: 'heard', slot })
    const answeredMs = nowMs()
    row[cells + endpointField.answeredMs] = answeredMs
    if (waiter === null) return -1
    const { sinceMs } = waiter
    add(row, cells + endpointField.answers, 1)
    const usual = cells + endpointField.firstByteMs
    row[usual] = smoothed(row[usual] ?? 0, answeredMs - sinceMs)
    if (sinceMs > (row[cells + endpointField.askedMs] ?? 0)) {
      row[cells + endpointField.askedMs] = sinceMs
      row[cells + endpointField.tookMs] = answeredMs - sinceMs
    }
    this.left(waiter)
    return answeredMs - sinceMs
  }

  /** It waits no more. */
  left(waiter: Waiter): void {
    this.#waiters.remove(waiter)
    this.#spare.push(waiter)
  }

  #sweepLater(nowMs: number): void {
    this.#sweeping = true
    this.#dueMs = nowMs + sweepMs
    this.#context.after(sweepMs, () => this.#sweep())
  }

  #sweep(): void {
    const nowMs = this.#context.nowMs()
    // Late by a whole sweep: this thread has not run, and what endpoints sent meanwhile has not been read
    // yet.
    if (nowMs - this.#dueMs < sweepMs) this.#look(nowMs)
    this.#sweeping = false
    if (this.#waiters.size > 0) this.#sweepLater(nowMs)
    else this.#tell(new Map())
  }

  #look(nowMs: number): void {
    const late = new Map<number, Late>()
    const answers = new Map<number, FirstBytes>()
    this.#waiters.visit((waiter) => {
      const { slot, sinceMs } = waiter
      const waitedMs = nowMs - sinceMs
      if (waitedMs < patienceMs(0)) return
      const own = answers.get(slot) ?? answersOf(this.#context.tally, slot)
      answers.set(slot, own)
      if (waitedMs < patienceMs(own.usualMs)) return
      const found = late.get(slot) ?? { count: 0, oldestMs: sinceMs, latestMs: sinceMs, overtaken: 0 }
      late.set(slot, found)
      if (own.askedMs > sinceMs) {
        // A connection that came later was answered: this one's request takes long.
        found.overtaken++
        this.#waiters.remove(waiter)
      } else if (waitedMs > longestMs) {
        this.#waiters.remove(waiter)
      } else {
        found.count++
        found.oldestMs = Math.min(found.oldestMs, sinceMs)
        found.latestMs = Math.max(found.latestMs, sinceMs)
      }
    })
    this.#learn(late)
    this.#tell(late)
    for (const [slot, found] of late) {
      const own = answers.get(slot)
      if (own !== undefined && found.count > 0) this.#judge(slot, own, found, nowMs)
    }
  }

  /** How many are overtaken by each that is answered. */
  #learn(late: ReadonlyMap<number, Late>): void {
    const { row } = this.#context
    for (const slot of this.#pools.keys()) {
      const cells = endpointCell(slot)
      const count = row[cells + endpointField.answers] ?? 0
      const since = count - (this.#answersSeen.get(slot) ?? 0)
      this.#answersSeen.set(slot, count)
      const overtaken = (this.#overtaken.get(slot) ?? 0) + (late.get(slot)?.overtaken ?? 0)
      this.#overtaken.set(slot, since > 0 ? 0 : overtaken)
      if (since <= 0) continue
      const cell = cells + endpointField.overtaken
      row[cell] = smoothedOvertaken(row[cell] ?? 0, overtaken, since, count)
    }
  }

  /** Other workers read how many wait here. */
  #tell(late: ReadonlyMap<number, Late>): void {
    const { row } = this.#context
    for (const slot of this.#overdue) row[endpointCell(slot) + endpointField.overdue] = 0
    const overdue = new Set<number>()
    for (const [slot, { count }] of late) {
      if (count === 0) continue
      overdue.add(slot)
      row[endpointCell(slot) + endpointField.overdue] = count
    }
    this.#overdue = overdue
  }

  #judge(slot: number, own: FirstBytes, { latestMs, oldestMs }: Late, nowMs: number): void {
    const { tally, sign } = this.#context
    const pool = this.#pools.get(slot)
    if (pool === undefined || tally.silent(slot)) return
    if (nowMs - (this.#namedMs.get(slot) ?? Number.NEGATIVE_INFINITY) < repeatMs) return
    const waiting = tally.sum(endpointCell(slot) + endpointField.overdue)
    const others = pool.endpoints
      .values()
      .filter((other) => other.slot !== slot)
      .map((other) => answersOf(tally, other.slot))
    if (!isSilent(own, { count: waiting, sinceMs: latestMs }, others, nowMs)) return
    this.#namedMs.set(slot, nowMs)
    sign({ kind: 'silent', slot, waiting, waitedMs: nowMs - oldestMs, usualMs: own.usualMs })
  }
}

/** Over all workers: what is counted is added up, of the rest the largest or the latest. */
function answersOf(tally: Tally, slot: number): FirstBytes {
  const cells = endpointCell(slot)
  const all = { count: 0, usualMs: 0, askedMs: 0, tookMs: 0, answeredMs: 0, overtaken: 0 }
  for (let index = 0; index <= tally.workers; index++) {
    const row = tally.row(index)
    const cell = (field: number): number => row[cells + field] ?? 0
    all.count += cell(endpointField.answers)
    all.usualMs = Math.max(all.usualMs, cell(endpointField.firstByteMs))
    all.answeredMs = Math.max(all.answeredMs, cell(endpointField.answeredMs))
    all.overtaken = Math.max(all.overtaken, cell(endpointField.overtaken))
    const askedMs = cell(endpointField.askedMs)
    if (askedMs <= all.askedMs) continue
    all.askedMs = askedMs
    all.tookMs = cell(endpointField.tookMs)
  }
  return all
}
