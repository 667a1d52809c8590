import {
  connectBuckets,
  count,
  durationBuckets,
  firstByteBuckets,
  type HistogramCells,
  histogramSize,
  rttBuckets,
} from './histogram.ts'
import {
  type Cause,
  causes,
  type DialFailure,
  dialFailures,
  type Limit,
  limits,
  type Phase,
  phases,
  type Rejection,
  rejections,
  type StaleWhen,
  staleWhens,
} from './outcome.ts'

/**
 * Live numbers in shared memory: one row of Float64 cells per worker, written only by that worker with plain
 * stores (two threads adding to one cell without Atomics lost 40 % of ten million increments), summed by
 * whoever reads. Row 0 is main's: the base into which a dead worker's counters move. Health words are the
 * only shared cells that are Atomics.
 */

/** Listeners at once: a row of 256 costs 128 KiB of address space, untouched pages cost nothing. */
export const maxListeners = 256
/** Endpoints that can exist at once, those that left less than ten minutes ago included. */
export const maxEndpoints = 4096

/** Of the slots behind these tells core/gone.ts. */
const listenerSlots = maxListeners + 1
const endpointSlots = maxEndpoints + 2

/** Cells of the worker itself. */
export const workerCell = {
  /** When the worker gave its last sign of life: milliseconds of the clock that all threads share. */
  heartbeatMs: 0,
  /** Connections between accept and end. A gauge. */
  active: 1,
  /** Bytes held in user space or pipes. A gauge. */
  bufferedBytes: 2,
  /** Pipes of the splice plane. Gauges. */
  pipesUsed: 3,
  pipesIdle: 4,
  /** Connections that wait for a place at an endpoint. A gauge. */
  queued: 5,
  /** Connections of which it is not known yet who they are or where they go. A gauge. */
  prefaces: 6,
} as const
const histogramsAt = 8
export const connectHistogram: HistogramCells = { at: histogramsAt, bounds: connectBuckets }
export const durationHistogram: HistogramCells = {
  at: histogramsAt + histogramSize(connectBuckets),
  bounds: durationBuckets,
}
const listenersAt = histogramsAt + histogramSize(connectBuckets) + histogramSize(durationBuckets)

/** Cells of a listener, relative to listenerCell(slot). */
export const listenerField = {
  accepted: 0,
  active: 1,
  bytesUp: 2,
  bytesDown: 3,
  /** Connections of a source that there was no room to count. */
  untracked: 4,
  /** Connections that their source's limit would have refused, in a dry run. */
  overSource: 5,
  /** 1: the worker leaves connections in the kernel's backlog because of the listener's rate. A gauge. */
  heldByRate: 6,
  /** Connections that came from, and that went to, another process. */
  adopted: 7,
  moved: 8,
} as const
/** Whether the worker leaves connections in the kernel's backlog, because of which limit. Gauges. */
const heldAt = 9
const rejectedAt = heldAt + limits.length
const closedAt = rejectedAt + rejections.length
const listenerSize = closedAt + causes.length * phases.length

/** Cells of an endpoint, relative to endpointCell(slot). */
export const endpointField = {
  /** Relayed connections. A gauge. */
  active: 0,
  /** Dials under way. A gauge; load counts them. */
  pending: 1,
  attempts: 2,
  /** What a dial takes, in ms, as this worker knows it; 0: none has succeeded. Not summed. */
  usualMs: 3,
  /** Dials that had no answer after the hedge delay, so that another endpoint was asked beside them. */
  unanswered: 4,
  /** Dials that the retry budget did not allow. */
  denied: 5,
  /** Connections that wait for a client. A gauge; load does not count them. */
  warm: 6,
  warmHit: 7,
  warmMiss: 8,
  /** Connections that have had a first byte from it, or ended with FIN on both sides. */
  served: 9,
  /**
   * First bytes whose wait was measured, and the usual wait, in ms, as this worker knows it. core/silence.ts
   * reads all of these.
   */
  answers: 10,
  firstByteMs: 11,
  askedMs: 12,
  tookMs: 13,
  answeredMs: 14,
  overtaken: 15,
  /** Connections that wait for a first byte for too long. A gauge, as of the worker's latest sweep. */
  overdue: 16,
  /** Of the relayed connections, those whose endpoint has sent FIN. A gauge; load does not count them. */
  spent: 17,
  bytesUp: 18,
  bytesDown: 19,
  /** Relayed connections that it ended by RST. */
  resets: 20,
} as const
const failuresAt = 21
const stalesAt = failuresAt + dialFailures.length
/** Histograms of a pool are kept by endpoint, and added up: pools have no cells of their own. */
const firstByteAt = stalesAt + staleWhens.length
const rttAt = firstByteAt + histogramSize(firstByteBuckets)
const endpointSize = rttAt + histogramSize(rttBuckets)
const endpointsAt = listenersAt + listenerSlots * listenerSize
const rowSize = endpointsAt + endpointSlots * endpointSize

/** First cell of a listener's block. */
export function listenerCell(slot: number): number {
  return listenersAt + slot * listenerSize
}

/** Cell of `connections_rejected_total` of a listener. */
export function rejectedCell(slot: number, reason: Rejection): number {
  return listenerCell(slot) + rejectedAt + rejections.indexOf(reason)
}

/** Cell that is 1 while a worker leaves a listener's connections in the backlog because of this limit. */
export function heldCell(slot: number, limit: Limit): number {
  return listenerCell(slot) + heldAt + limits.indexOf(limit)
}

/** Cell of `connections_closed_total` of a listener. */
export function closedCell(slot: number, cause: Cause, phase: Phase): number {
  return listenerCell(slot) + closedAt + causes.indexOf(cause) * phases.length + phases.indexOf(phase)
}

/** First cell of an endpoint's block. */
export function endpointCell(slot: number): number {
  return endpointsAt + slot * endpointSize
}

/** Cell of `upstream_connect_failures_total` of an endpoint. */
export function failureCell(slot: number, reason: DialFailure): number {
  return endpointCell(slot) + failuresAt + dialFailures.indexOf(reason)
}

/** Cell of `warm_pool_stale_total` of an endpoint. */
export function staleCell(slot: number, when: StaleWhen): number {
  return endpointCell(slot) + stalesAt + staleWhens.indexOf(when)
}

/** Cells of an endpoint's part in its pool's histograms; those of the slot 0, and how far the next is. */
export const poolHistograms: Readonly<Record<'firstByte' | 'clientRtt', HistogramCells>> = {
  firstByte: { at: endpointsAt + firstByteAt, bounds: firstByteBuckets },
  clientRtt: { at: endpointsAt + rttAt, bounds: rttBuckets },
}

/** One observation in the part that the endpoint in `slot` has in a histogram of its pool. */
export function observeOf(
  row: Float64Array,
  slot: number,
  { at, bounds }: HistogramCells,
  seconds: number,
): void {
  count(row, at + slot * endpointSize, bounds, seconds)
}

/** Adds the cells of an endpoint's part, over all rows, to `sums`, which is as long as they are. */
export function addCells(tally: Tally, slot: number, { at }: HistogramCells, sums: Float64Array): void {
  for (let i = 0; i < sums.length; i++) add(sums, i, tally.sum(at + slot * endpointSize + i))
}

/** Adds one observation to a worker's own row. */
export function observe(row: Float64Array, histogram: HistogramCells, seconds: number): void {
  count(row, histogram.at, histogram.bounds, seconds)
}

/** Adds to a cell of one's own row. */
export function add(row: Float64Array, cell: number, delta: number): void {
  row[cell] = (row[cell] ?? 0) + delta
}

/** Bits of an endpoint's health word. 0: in use. The bits from 8 up are its share, see core/slow-start.ts. */
export const healthBit = {
  /** Active probes say down: never used while any endpoint of any tier is up. */
  down: 1,
  /** Ejected by passive health. */
  ejected: 2,
  /** Draining by the admin's hand: no new connections. */
  draining: 4,
  /**
   * A dial to it is, or was, without an answer for long: used when there is no other. Set and cleared by
   * workers.
   */
  suspect: 8,
  /**
   * It accepts connections and says nothing: used when there is no other. Set by main, cleared by whoever
   * hears it.
   */
  silent: 16,
  /** Its connections are let go: a dial to it that connects now is given up, and none is begun. */
  released: 32,
} as const
/** An endpoint with none of these gets connections. */
export const notUp = healthBit.down | healthBit.ejected | healthBit.draining | healthBit.released
/** One with any of these gets connections when there is no other. */
export const takenLast = healthBit.suspect | healthBit.silent

/**
 * States of an endpoint's suspicion. At most one trial dial at a time, over all workers, asks whether it is
 * still right.
 */
const suspicion = { none: 0, waiting: 1, onTrial: 2 } as const
/** States of an endpoint's silence. `due`: the next client asks it whether it speaks again. */
const silence = { none: 0, silent: 1, due: 2 } as const
/** Gauges of a worker and of its endpoints: once the worker is dead their values mean nothing. */
const endpointGauges = (
  [
    'active',
    'pending',
    'usualMs',
    'warm',
    'spent',
    'firstByteMs',
    'askedMs',
    'tookMs',
    'answeredMs',
    'overtaken',
    'overdue',
  ] as const
).map((name) => endpointField[name])

/** The shared block; the same class on both sides of a thread. */
export class Tally {
  readonly buffer: SharedArrayBuffer
  readonly workers: number
  readonly #rows: Float64Array[] = []
  readonly #health: Int32Array
  readonly #suspicion: Int32Array
  readonly #silence: Int32Array

  /** `buffer`: the block made by another thread's Tally with the same number of workers. */
  constructor(workers: number, buffer?: SharedArrayBuffer) {
    const rowBytes = rowSize * Float64Array.BYTES_PER_ELEMENT
    const healthAt = rowBytes * (workers + 1)
    this.workers = workers
    const wordBytes = endpointSlots * Int32Array.BYTES_PER_ELEMENT
    this.buffer = buffer ?? new SharedArrayBuffer(healthAt + 3 * wordBytes)
    for (let i = 0; i <= workers; i++) this.#rows.push(new Float64Array(this.buffer, i * rowBytes, rowSize))
    this.#health = new Int32Array(this.buffer, healthAt, endpointSlots)
    this.#suspicion = new Int32Array(this.buffer, healthAt + wordBytes, endpointSlots)
    this.#silence = new Int32Array(this.buffer, healthAt + 2 * wordBytes, endpointSlots)
  }

  /** The row of worker `index` (1 to workers), or the base row (0). */
  row(index: number): Float64Array {
    const row = this.#rows[index]
    if (row === undefined) throw new RangeError(`no row ${index}: there are ${this.workers} workers`)
    return row
  }

  /** Sum of a cell over all rows. */
  sum(cell: number): number {
    let total = 0
    for (const row of this.#rows) total += row[cell] ?? 0
    return total
  }

  /** Bits of healthBit; 0: in use. */
  health(slot: number): number {
    const word = Atomics.load(this.#health, slot)
    const suspect = this.suspected(slot) ? healthBit.suspect : 0
    return word | suspect | (this.silent(slot) ? healthBit.silent : 0)
  }

  setHealth(slot: number, word: number): void {
    Atomics.store(this.#health, slot, word)
  }

  suspected(slot: number): boolean {
    return Atomics.load(this.#suspicion, slot) !== suspicion.none
  }

  /**
   * A dial is without an answer: from now on all workers take the endpoint last. True: that dial is the
   * trial.
   */
  suspect(slot: number): boolean {
    const { none, onTrial } = suspicion
    return Atomics.compareExchange(this.#suspicion, slot, none, onTrial) === none || this.beginTrial(slot)
  }

  /** True: the caller dials a suspect endpoint, alone, and says endTrial() or trust() at its end. */
  beginTrial(slot: number): boolean {
    const { waiting, onTrial } = suspicion
    return Atomics.compareExchange(this.#suspicion, slot, waiting, onTrial) === waiting
  }

  /** The trial has ended without an answer. */
  endTrial(slot: number): void {
    Atomics.compareExchange(this.#suspicion, slot, suspicion.onTrial, suspicion.waiting)
  }

  /** The endpoint has answered a dial. */
  trust(slot: number): void {
    Atomics.store(this.#suspicion, slot, suspicion.none)
  }

  silent(slot: number): boolean {
    return Atomics.load(this.#silence, slot) !== silence.none
  }

  /** Called by main: from now on all workers take the endpoint last. */
  silence(slot: number): void {
    Atomics.compareExchange(this.#silence, slot, silence.none, silence.silent)
  }

  /** A byte came from the endpoint. True: it was silent until now. */
  hear(slot: number): boolean {
    return Atomics.exchange(this.#silence, slot, silence.none) !== silence.none
  }

  /** Called by main: the next client of all workers asks a silent endpoint. */
  letAsk(slot: number): void {
    Atomics.compareExchange(this.#silence, slot, silence.silent, silence.due)
  }

  /** True, once after letAsk(): the caller's client asks. */
  takeAsking(slot: number): boolean {
    const { silent, due } = silence
    return Atomics.compareExchange(this.#silence, slot, due, silent) === due
  }

  /** Relayed connections that the endpoint has not ended, and pending dials to it, over all workers. */
  load(slot: number): number {
    const cell = endpointCell(slot)
    return this.held(slot) - this.sum(cell + endpointField.spent)
  }

  /**
   * Relayed connections and pending dials of an endpoint, over all workers: while there are any, its slot is
   * in use.
   */
  held(slot: number): number {
    const cell = endpointCell(slot)
    return this.sum(cell + endpointField.active) + this.sum(cell + endpointField.pending)
  }

  /** Called by main when worker `index` is dead: its counters move to the base row, its gauges to zero. */
  retire(index: number): void {
    const dead = this.row(index)
    const base = this.row(0)
    const gauges = new Set<number>(Object.values(workerCell))
    for (let slot = 0; slot < listenerSlots; slot++) {
      gauges.add(listenerCell(slot) + listenerField.active)
      gauges.add(listenerCell(slot) + listenerField.heldByRate)
      for (const limit of limits) gauges.add(heldCell(slot, limit))
    }
    for (let slot = 0; slot < endpointSlots; slot++) {
      for (const field of endpointGauges) gauges.add(endpointCell(slot) + field)
      this.endTrial(slot) // the trial may have been the dead worker's
    }
    for (let cell = 0; cell < rowSize; cell++) {
      const value = dead[cell] ?? 0
      if (value !== 0 && !gauges.has(cell)) add(base, cell, value)
      if (value !== 0) dead[cell] = 0
    }
  }

  /** Called by main when no worker uses an endpoint's slot any more: the next one there starts at zero. */
  clearEndpoint(slot: number): void {
    for (const row of this.#rows) row.fill(0, endpointCell(slot), endpointCell(slot) + endpointSize)
    this.setHealth(slot, 0)
    this.trust(slot)
    this.hear(slot)
  }

  clearListener(slot: number): void {
    for (const row of this.#rows) row.fill(0, listenerCell(slot), listenerCell(slot) + listenerSize)
  }
}
