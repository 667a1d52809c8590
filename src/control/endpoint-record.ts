import type { Health } from '../core/health.ts'
import type { Outlier } from '../core/outlier.ts'
import { fullShare, shareBits } from '../core/slow-start.ts'
import type { EndpointId, EndpointSnapshot } from '../core/snapshot.ts'
import type { EndpointStatus } from '../core/status.ts'
import { healthBit, notUp, type Tally } from '../core/tally.ts'
import type { ResolvedEndpoint } from './resolved-pool.ts'
import { roughly } from './wording.ts'

/** All that the registry, its only writer, knows of one address in one pool. It outlives configurations. */
export interface EndpointRecord {
  readonly pool: string
  readonly id: EndpointId
  readonly slot: number
  resolved: ResolvedEndpoint
  health: Health
  outlier: Outlier
  /** By the admin's hand; kept when the endpoint leaves and comes back. */
  draining: boolean
  /** Per mille of the connections that it would get otherwise; below 1000 in slow start. Written by SlowStarts while it is present. */
  share: number
  /** Ejections since the record exists. */
  ejections: number
  /** stateOf() as of the last change, and since when it is that. */
  state: ReturnType<typeof stateOf>
  sinceMs: number
  /** Since when it is suspect, as of the last look; null: it is not. */
  suspectSinceMs: number | null
  /** Cancels the end of the ejection under way; does nothing when there is none. */
  cancelReturn: () => void
  presence: Presence
}

export type Presence =
  | { readonly kind: 'present' }
  /** `goneIn`: the first published version without it; null: not published yet. */
  | { readonly kind: 'departed'; readonly sinceMs: number; readonly goneIn: number | null }

/** The word that workers read: 0 is in use with its full share. */
export function healthWord(record: EndpointRecord): number {
  const down = record.health.kind === 'down' ? healthBit.down : 0
  const ejected = record.outlier.kind === 'ejected' ? healthBit.ejected : 0
  return down | ejected | (record.draining ? healthBit.draining : 0) | shareBits(record.share)
}

/** It gets connections: not down, ejected or draining. */
export function isUp(record: EndpointRecord): boolean {
  return (healthWord(record) & notUp) === 0
}

/** It gets connections, and workers have marked it: a dial has no answer. */
export function isSuspect(record: EndpointRecord, tally: Tally): boolean {
  return isUp(record) && tally.suspected(record.slot)
}

/** What it gets now of the connections that are its due: 1, less in slow start, 0 when it is not up. */
export function shareNow(record: EndpointRecord): number {
  return isUp(record) ? record.share / fullShare : 0
}

/** The one word for people. The admin's hand is named before the probes, and those before the dials. */
export function stateOf(record: EndpointRecord): Exclude<EndpointStatus['state'], 'suspect' | 'unresolved'> {
  if (record.draining) return 'draining'
  if (record.health.kind === 'down') return 'down'
  return record.outlier.kind === 'ejected' ? 'ejected' : record.health.kind
}

/** Why it is not up; what its last probe said when it is. `probed`: whether its pool probes at all. */
export function reasonOf(record: EndpointRecord, probed: boolean, nowMs: number): string {
  if (record.draining) return `draining by the admin; ${verdictOf(record, probed, nowMs)}`
  return verdictOf(record, probed, nowMs)
}

function verdictOf(record: EndpointRecord, probed: boolean, nowMs: number): string {
  const { health, outlier, share } = record
  if (health.kind === 'down') return health.reason
  if (outlier.kind === 'ejected')
    return `${ejectionReason(outlier)}; back in ${roughly(outlier.untilMs - nowMs)}`
  const unprobed = probed ? 'no probe has answered yet' : 'its pool is not probed'
  const last = health.kind === 'up' ? health.last : unprobed
  return share === fullShare ? last : `slow start, ${Math.floor(share / 10)} % of its share; ${last}`
}

/** `5 dials in a row failed (ECONNREFUSED)` */
export function ejectionReason({ failures, reason }: { failures: number; reason: string }): string {
  return `${failures === 1 ? '1 dial' : `${failures} dials in a row`} failed (${reason})`
}

export function snapshotOf({ id, slot, resolved }: EndpointRecord): EndpointSnapshot {
  const { address, priority, weight, maxConnections } = resolved
  return { id, slot, address, priority, weight, maxConnections }
}
