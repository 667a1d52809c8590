import type { Log } from '../../core/log.ts'
import { someOf } from '../../core/wording.ts'
import { type EndpointRecord, stateOf } from './endpoint-record.ts'
import type { PoolRecord } from './pool-record.ts'
import { nobodyLeft, remains, type Standing } from './standing.ts'

/**
 * Logs one line about an endpoint the way HAProxy does it: what, why, what remains. `before`: how the pool
 * stood when the line before this one was written. The line that begins a panic, or a wait, is a warning
 * whatever caused it.
 */
export function announce(
  log: Log,
  level: 'info' | 'warn',
  pool: PoolRecord,
  record: EndpointRecord,
  what: string,
  before: Standing,
): void {
  const { usable, total, nobody } = pool.standing
  const fields = {
    pool: record.pool,
    endpoint: record.id,
    state: stateOf(record),
    usable,
    total,
    panic: nobody === 'panic',
  }
  const message = `pool ${record.pool}: endpoint ${record.id} ${what}; ${remains(before, pool.standing)}`
  log[nobodyLeft(before, pool.standing) ? 'warn' : level](fields, message)
}

/**
 * Logs who joined and left a pool since it had the `old` endpoints, in one line; nothing when nobody did. Nor
 * when nobody is left: only a source empties a pool, and its line says why.
 */
export function announceMembership(
  log: Log,
  old: readonly EndpointRecord[],
  pool: PoolRecord,
  before: Standing,
): void {
  const joined = idsMissing(pool.records, old)
  const left = idsMissing(old, pool.records)
  if (joined.length + left.length === 0 || pool.records.length === 0) return
  const parts = [
    ...(joined.length > 0 ? [`${someOf(joined)} joined`] : []),
    ...(left.length > 0 ? [`${someOf(left)} left`] : []),
  ]
  const { usable, total, nobody } = pool.standing
  const name = pool.config.name
  const message = `pool ${name}: ${parts.join(', ')}; ${remains(before, pool.standing)}`
  const ids = { joined: joined.slice(0, maxInFields), left: left.slice(0, maxInFields) }
  log[nobodyLeft(before, pool.standing) ? 'warn' : 'info'](
    { pool: name, ...ids, usable, total, panic: nobody === 'panic' },
    message,
  )
}

/**
 * When thousands come and go at once nobody reads all the names, and the line would be longer than a log
 * collector accepts.
 */
const maxInFields = 100

function idsMissing(from: readonly EndpointRecord[], others: readonly EndpointRecord[]): readonly string[] {
  const there = new Set(others)
  return from.filter((record) => !there.has(record)).map(({ id }) => id)
}
