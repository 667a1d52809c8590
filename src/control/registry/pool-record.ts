import type { PoolConfig } from '../../config/config.ts'
import type { PoolSnapshot } from '../../core/snapshot.ts'
import type { EndpointStatus, PoolStatus } from '../../core/status.ts'
import { endpointCell, endpointField, type Tally } from '../../core/tally.ts'
import type { ResolvedPool, UnresolvedName } from '../../discovery/resolved-pool.ts'
import { type EndpointRecord, isSuspect, reasonOf, shareNow, snapshotOf, stateOf } from './endpoint-record.ts'
import { type Standing, standingOf } from './standing.ts'

/** A pool that is in use, from one update of the registry to the next. */
export interface PoolRecord {
  readonly config: PoolConfig
  /** By priority, then by id. */
  readonly records: readonly EndpointRecord[]
  readonly unresolved: readonly UnresolvedName[]
  readonly snapshot: PoolSnapshot
  /** As the log told it last. */
  standing: Standing
}

export function newPool(
  { config, unresolved }: ResolvedPool,
  records: readonly EndpointRecord[],
): PoolRecord {
  const { name, balance, connect, queue, sendProxyProtocol: proxyProtocol, warm, panic } = config
  const { onRemoval, transparent } = config
  const common = { name, balance, connect, queue, proxyProtocol, warm, panic, onRemoval, transparent }
  const snapshot = { ...common, endpoints: records.map(snapshotOf) }
  return { config, records, unresolved, snapshot, standing: standingOf(records, panic) }
}

/**
 * Whether a good probe is a byte from the port that clients are sent to: a kernel alone passes a tcp probe.
 */
export function probeSpeaks({ config }: PoolRecord): boolean {
  const { probe } = config.health
  return (probe.kind === 'http' || probe.kind === 'tls') && probe.port === null
}

/** What is known of a pool apart from where its endpoints come from. */
export type PoolHealth = Omit<PoolStatus, 'discovery'>

/** `tally`: where the connections are counted. */
export function poolHealth(pool: PoolRecord, tally: Tally, nowMs: number): PoolHealth {
  const probes = pool.config.health.probe.kind !== 'off'
  const known = pool.records.map((record) => endpointStatus(record, probes, tally, nowMs))
  const unknown = pool.unresolved.map((name) => unresolvedStatus(name, nowMs))
  const { name, balance } = pool.config
  const { nobody } = pool.standing
  const endpoints = [...known, ...unknown]
  return { name, balance, panic: nobody === 'panic', waiting: nobody === 'waiting', endpoints }
}

function endpointStatus(
  record: EndpointRecord,
  probes: boolean,
  tally: Tally,
  nowMs: number,
): EndpointStatus {
  const { name, priority, weight } = record.resolved
  const reason = reasonOf(record, probes, nowMs)
  const suspect = isSuspect(record, tally)
  return {
    endpoint: record.id,
    name,
    priority,
    weight,
    share: shareNow(record),
    state: suspect ? 'suspect' : stateOf(record),
    reason: suspect ? `a dial has no answer; ${reason}` : reason,
    forMs: nowMs - (suspect ? (record.suspectSinceMs ?? nowMs) : record.sinceMs),
    active: tally.sum(endpointCell(record.slot) + endpointField.active),
  }
}

function unresolvedStatus(unresolved: UnresolvedName, nowMs: number): EndpointStatus {
  const { endpoint, name, priority, weight, reason, sinceMs } = unresolved
  const state = 'unresolved'
  return { endpoint, name, priority, weight, share: 0, state, reason, forMs: nowMs - sinceMs, active: 0 }
}
