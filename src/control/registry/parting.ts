import type { PoolConfig } from '../../config/config.ts'
import type { Log } from '../../core/log.ts'
import { endpointCell, endpointField, type Tally } from '../../core/tally.ts'
import { type EndpointRecord, healthWord, isUp, type Parting } from './endpoint-record.ts'
import type { PoolRecord } from './pool-record.ts'
import type { Standing } from './standing.ts'

export interface PartingDeps {
  readonly tally: Tally
  readonly log: Log
  readonly applyParting: ApplyParting
}

/**
 * What happens to the connections of these endpoints from now on; takes the place of what was begun before.
 */
export type ApplyParting = (slots: readonly number[], parting: Parting) => void

/**
 * Decides again what happens to the connections of a pool's endpoints, and of those that `left` it, and
 * begins what is new. A dial that connects too late sees it in the health word, which is written first.
 */
export function part(deps: PartingDeps, pool: PoolRecord, left: readonly EndpointRecord[] = []): void {
  const changed: EndpointRecord[] = []
  for (const record of [...pool.records, ...left]) {
    const before = record.parting
    record.parting = partingOf(record, pool.config, pool.standing)
    if (!isNew(before, record.parting)) continue
    deps.tally.setHealth(record.slot, healthWord(record))
    changed.push(record)
  }
  for (const [first, ...more] of Map.groupBy(changed, keyOf).values()) {
    if (first === undefined) continue
    const records = [first, ...more]
    tell(deps, pool, records, first.parting)
    deps.applyParting(
      records.map(({ slot }) => slot),
      first.parting,
    )
  }
}

/** Whether a failed probe condemns the endpoint, because it cannot be the fault of probing itself. */
export function isCondemned(record: EndpointRecord, pool: PoolRecord): boolean {
  const { badSinceMs } = record.answers
  if (record.health.kind !== 'down' || badSinceMs === null) return false
  // Between two failed probes of this endpoint another one has answered: probes work, and so does the network
  // from here.
  return pool.records.some(
    (other) => isUp(other) && other.answers.badSinceMs === null && other.answers.goodMs > badSinceMs,
  )
}

function partingOf(record: EndpointRecord, config: PoolConfig, { inCharge, nobody }: Standing): Parting {
  const { onDown, onRemoval, onFailback, panic } = config
  const isPresent = record.presence.kind === 'present'
  // A broken probe must not cut everything, unless the operator takes its word for final.
  const believed = panic ? record.condemned && nobody === null : true
  const isDown = isPresent && record.health.kind === 'down' && believed
  if (isDown && onDown === 'reset') return { kind: 'reset' }
  if ((record.draining || !isPresent) && onRemoval === 'close') return { kind: 'close', cause: 'admin' }
  if (isDown && onDown === 'close') return { kind: 'close', cause: 'endpoint-down' }
  const isBetter = inCharge !== null && record.resolved.priority > inCharge
  return isPresent && isBetter && onFailback === 'close' ? { kind: 'failback', inCharge } : { kind: 'keep' }
}

/** A tier that is better still has the connections let go again that were not silent the first time. */
function isNew(before: Parting, after: Parting): boolean {
  if (before.kind !== after.kind) return true
  return before.kind === 'failback' && after.kind === 'failback' && after.inCharge < before.inCharge
}

function keyOf({ parting }: EndpointRecord): string {
  return JSON.stringify(parting)
}

/** Says so when there are any connections and nobody has asked for it by hand. */
function tell(
  { tally, log }: PartingDeps,
  pool: PoolRecord,
  records: readonly EndpointRecord[],
  parting: Parting,
): void {
  const active = records.reduce(
    (sum, { slot }) => sum + tally.sum(endpointCell(slot) + endpointField.active),
    0,
  )
  const { name } = pool.config
  if (active === 0 || parting.kind === 'keep') return
  if (parting.kind === 'failback') {
    const { inCharge } = parting
    const message = `pool ${name}: priority ${inCharge} is in charge again: connections to later tiers (${active}) are closed as they fall silent`
    log.info({ pool: name, priority: inCharge, connections: active }, message)
    return
  }
  if (parting.kind === 'close' && parting.cause === 'admin') return
  const endpoints = records.map(({ id }) => id)
  const how = parting.kind === 'reset' ? 'reset' : 'closed'
  const [be, there] = endpoints.length === 1 ? ['is', 'it'] : ['are', 'them']
  const message = `pool ${name}: ${endpoints.join(', ')} ${be} down: connections to ${there} (${active}) are ${how}`
  log.warn({ pool: name, endpoints, connections: active }, message)
}
