import type { Log } from '../../core/log.ts'
import type { Tally } from '../../core/tally.ts'
import { durationText, roughly } from '../../core/wording.ts'
import { isSuspect, isUp } from './endpoint-record.ts'
import type { PoolRecord } from './pool-record.ts'

/**
 * Workers mark endpoints in shared memory and tell nobody: this looks at the marks, keeps in the records
 * since when they are there, and logs what has changed since the last look.
 */
export function lookAtSuspects(pool: PoolRecord, tally: Tally, log: Log, nowMs: number): void {
  for (const record of pool.records) {
    const suspect = isSuspect(record, tally)
    const sinceMs = record.suspectSinceMs
    if (suspect === (sinceMs !== null)) continue
    record.suspectSinceMs = suspect ? nowMs : null
    const name = `pool ${record.pool}: endpoint ${record.id}`
    const fields = { pool: record.pool, endpoint: record.id }
    if (sinceMs === null) {
      const after = durationText(pool.config.connect.hedgeAfterMs)
      const message = `${name} is suspect: a dial has no answer after ${after} or longer, so others are asked first`
      log.warn({ ...fields, state: 'suspect' }, message)
    } else if (isUp(record)) {
      log.info(fields, `${name} is suspect no more: it has answered, after ${roughly(nowMs - sinceMs)}`)
    } // otherwise the line that it is down was there already
  }
}
