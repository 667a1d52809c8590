import { type EndpointRecord, isUp, shareNow, stateOf } from './endpoint-record.ts'

/** How a pool stands: what its next connection will find. */
export interface Standing {
  readonly total: number
  /** Endpoints that get connections: not down, ejected or draining. */
  readonly usable: number
  readonly ejected: number
  /** The best priority that has an endpoint with its full share; null: none has. */
  readonly inCharge: number | null
  /** None is usable, so all but the draining ones are tried. */
  readonly panic: boolean
}

/** Counts the endpoints of a pool, which are sorted by priority. The same rule as in core/candidates.ts decides on panic. */
export function standingOf(records: readonly EndpointRecord[]): Standing {
  let usable = 0
  let ejected = 0
  let draining = 0
  let inCharge: number | null = null
  for (const record of records) {
    if (isUp(record)) usable++
    if (inCharge === null && shareNow(record) === 1) inCharge = record.resolved.priority
    if (record.outlier.kind === 'ejected') ejected++
    if (stateOf(record) === 'draining') draining++
  }
  const total = records.length
  return { total, usable, ejected, inCharge, panic: usable === 0 && draining < total }
}

/** The end of a log line about a change: what remains. Names panic when it begins and when it is over. */
export function remains(before: Standing, after: Standing): string {
  if (after.panic) return before.panic ? 'still no endpoint up' : 'no endpoint up: all are tried (panic)'
  if (after.total === 0) return 'no endpoint left'
  const up =
    after.usable === 0
      ? 'no endpoint left: all are draining'
      : `${after.usable} of ${after.total} endpoints up`
  return before.panic ? `${up}, panic is over` : up
}
