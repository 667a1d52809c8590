import { endpointCell, endpointField, type Tally } from '../core/tally.ts'
import type { Log } from './log.ts'
import type { PoolRecord } from './pool-record.ts'
import type { Standing } from './standing.ts'

export interface FailbackDeps {
  readonly tally: Tally
  readonly log: Log
  readonly letGo: LetGo
}

/** Closes the connections of these endpoints, spread over a while: all of them, or those that are silent then. */
export type LetGo = (slots: readonly number[], which: 'all' | 'silent') => void

/**
 * Lets go of the connections of worse tiers when a better one has taken over since `before`, in a pool that wants it.
 * Says so when there are any.
 */
export function failback({ tally, log, letGo }: FailbackDeps, pool: PoolRecord, before: Standing): void {
  const { inCharge } = pool.standing
  if (pool.config.onFailback === 'keep' || inCharge === null) return
  if (before.inCharge !== null && before.inCharge <= inCharge) return
  const worse = pool.records.filter(({ resolved }) => resolved.priority > inCharge).map(({ slot }) => slot)
  const active = worse.reduce((sum, slot) => sum + tally.sum(endpointCell(slot) + endpointField.active), 0)
  if (active === 0) return
  const { name } = pool.config
  const message = `pool ${name}: priority ${inCharge} is in charge again: connections to later tiers (${active}) are closed as they fall silent`
  log.info({ pool: name, priority: inCharge, connections: active }, message)
  letGo(worse, 'silent')
}
