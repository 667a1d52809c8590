import { type EndpointRecord, isUp, shareNow, stateOf } from './endpoint-record.ts'

/** How a pool stands: what its next connection will find. */
export interface Standing {
  readonly total: number
  /** Endpoints that get connections: not down, ejected or draining. */
  readonly usable: number
  readonly ejected: number
  /** The best priority that has an endpoint with its full share; null: none has. */
  readonly inCharge: number | null
  /**
   * What is done while none is usable, unless all are draining. panic: those that are not up are tried.
   * waiting: `panic: off`, and probes call down whatever could be tried. null: there is a usable one, or
   * there is nothing to be done.
   */
  readonly nobody: 'panic' | 'waiting' | null
}

/**
 * Counts the endpoints of a pool, which are sorted by priority. The same rule as in core/candidates.ts
 * decides on panic.
 */
export function standingOf(records: readonly EndpointRecord[], panic: boolean): Standing {
  let usable = 0
  let ejected = 0
  let draining = 0
  let tried = 0
  let inCharge: number | null = null
  for (const record of records) {
    if (isUp(record)) usable++
    if (inCharge === null && shareNow(record) === 1) inCharge = record.resolved.priority
    if (record.outlier.kind === 'ejected') ejected++
    if (stateOf(record) === 'draining') draining++
    else if (panic || record.health.kind !== 'down') tried++
  }
  const total = records.length
  const nobody = usable > 0 || draining === total ? null : tried > 0 ? 'panic' : 'waiting'
  return { total, usable, ejected, inCharge, nobody }
}

/**
 * The end of a log line about a change: what remains. Names panic and waiting when they begin and when they
 * are over.
 */
export function remains(before: Standing, after: Standing): string {
  if (after.nobody !== null) {
    if (after.nobody === before.nobody) return 'still no endpoint up'
    return after.nobody === 'panic'
      ? 'no endpoint up: all are tried (panic)'
      : 'no endpoint up: clients wait (panic is off)'
  }
  if (after.total === 0) return 'no endpoint left'
  const up =
    after.usable === 0
      ? 'no endpoint left: all are draining'
      : `${after.usable} of ${after.total} endpoints up`
  if (before.nobody === null) return up
  return before.nobody === 'panic' ? `${up}, panic is over` : `${up}, clients wait no longer`
}

/** Whether this is the moment at which nobody is up any more: worth a warning whatever caused it. */
export function nobodyLeft(before: Standing, after: Standing): boolean {
  return after.nobody !== null && after.nobody !== before.nobody
}
