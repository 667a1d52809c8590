import type { After } from '../../core/after.ts'
import type { Log } from '../../core/log.ts'
import type { Tally } from '../../core/tally.ts'
import type { EndpointRecord } from './endpoint-record.ts'
import type { PoolRecord } from './pool-record.ts'

/**
 * What those are given who judge endpoints: by their dials (Ejections), their first bytes (Silences), their
 * probes (Verdicts).
 */
export interface JudgeDeps {
  readonly tally: Tally
  readonly log: Log
  readonly nowMs: () => number
  readonly after: After
  readonly pool: (name: string) => PoolRecord | undefined
  /** Something about an endpoint has changed, to be told. */
  readonly changed: (pool: PoolRecord, record: EndpointRecord, level: 'info' | 'warn', what: string) => void
}
