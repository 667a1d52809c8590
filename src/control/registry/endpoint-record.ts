import type { Health } from '../../core/health.ts'
import type { Hearing } from '../../core/hearing.ts'
import type { EndedBy } from '../../core/outcome.ts'
import type { Outlier } from '../../core/outlier.ts'
import { fullShare, shareBits } from '../../core/slow-start.ts'
import type { EndpointId, EndpointSnapshot } from '../../core/snapshot.ts'
import type { EndpointStatus } from '../../core/status.ts'
import { healthBit, type Tally } from '../../core/tally.ts'
import { roughly } from '../../core/wording.ts'
import type { ResolvedEndpoint } from '../../discovery/resolved-pool.ts'

/** All that the registry, its only writer, knows of one address in one pool. It outlives configurations. */
export interface EndpointRecord {
  readonly pool: string
  readonly id: EndpointId
  readonly slot: number
  resolved: ResolvedEndpoint
  health: Health
  outlier: Outlier
  /** Written by Silences while it is present. */
  hearing: Hearing
  /** Probes follow each other quickly until then, because clients have noticed something. */
  doubtUntilMs: number
  /** Set by the admin; kept when the endpoint leaves and comes back. */
  draining: boolean
  /**
   * Per mille of the connections that it would get otherwise; below 1000 in slow start. Written by SlowStarts
   * while it is present.
   */
  share: number
  /** Ejections since the record exists. */
  ejections: number
  /** stateOf() at the last change, and the time of that change. */
  state: ReturnType<typeof stateOf>
  sinceMs: number
  answers: ProbeTimes
  /** It is down, and not for a fault of the probe: `onDown` may act. */
  condemned: boolean
  parting: Parting
  /** Since when it is suspect, as of the last look; null: it is not. */
  suspectSinceMs: number | null
  /** Cancels the end of the ejection under way; does nothing when there is none. */
  cancelReturn: () => void
  /** Cancels the next client that asks a silent endpoint; does nothing when it is not silent. */
  cancelAsk: () => void
  presence: Presence
}

export type Presence =
  | { readonly kind: 'present' }
  /** `goneIn`: the first published version without it; null: not published yet. */
  | { readonly kind: 'departed'; readonly sinceMs: number; readonly goneIn: number | null }

/** Times of its probes' answers. */
export interface ProbeTimes {
  /** When the latest probe with a good answer began. */
  readonly goodMs: number
  /**
   * When the first probe of the failed ones in a row was over; null: the latest one was good, or there was
   * none.
   */
  readonly badSinceMs: number | null
}

export const noAnswers: ProbeTimes = { goodMs: Number.NEGATIVE_INFINITY, badSinceMs: null }

/** What happens to the established connections of an endpoint. */
export type Parting =
  | { readonly kind: 'keep' }
  /** A better tier is in charge: FIN as they fall silent, spread over a while. */
  | { readonly kind: 'failback'; readonly inCharge: number }
  /** FIN to all, spread over a while. */
  | { readonly kind: 'close'; readonly cause: EndedBy }
  /** RST to all, at once: it is down. */
  | { readonly kind: 'reset' }

/** The word that workers read: 0 is in use with its full share. */
export function healthWord(record: EndpointRecord): number {
  const down = record.health.kind === 'down' ? healthBit.down : 0
  const ejected = record.outlier.kind === 'ejected' ? healthBit.ejected : 0
  const { kind } = record.parting
  const released = kind === 'close' || kind === 'reset' ? healthBit.released : 0
  return down | ejected | released | (record.draining ? healthBit.draining : 0) | shareBits(record.share)
}

/** It gets connections: not down, ejected or draining. */
export function isUp(record: EndpointRecord): boolean {
  return record.health.kind !== 'down' && record.outlier.kind !== 'ejected' && !record.draining
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
  if (record.outlier.kind === 'ejected') return 'ejected'
  return record.hearing.kind === 'silent' ? 'silent' : record.health.kind
}

/** Why it is not up; what its last probe said when it is. `probed`: whether its pool probes at all. */
export function reasonOf(record: EndpointRecord, probed: boolean, nowMs: number): string {
  if (record.draining) return `draining by the admin; ${verdictOf(record, probed, nowMs)}`
  return verdictOf(record, probed, nowMs)
}

function verdictOf(record: EndpointRecord, probed: boolean, nowMs: number): string {
  const { health, outlier, hearing, share } = record
  if (health.kind === 'down') return health.reason
  if (outlier.kind === 'ejected')
    return `${ejectionReason(outlier)}; back in ${roughly(outlier.untilMs - nowMs)}`
  const unprobed = probed ? 'no probe has answered yet' : 'its pool is not probed'
  const last = health.kind === 'up' ? health.last : unprobed
  if (hearing.kind === 'silent') return `${hearing.why}; ${last}`
  return share === fullShare ? last : `slow start, ${Math.floor(share / 10)} % of its share; ${last}`
}

/** Why an endpoint is ejected, or would be. */
export type Blame = Pick<Outlier & { kind: 'ejected' }, 'failures' | 'by' | 'reason'>

/** `5 dials in a row failed (ECONNREFUSED)`, `5 connections in a row were reset before their first byte` */
export function ejectionReason({ failures, by, reason }: Blame): string {
  if (by === 'cut-offs') {
    return failures === 1
      ? '1 connection was reset before its first byte'
      : `${failures} connections in a row were reset before their first byte`
  }
  return `${failures === 1 ? '1 dial' : `${failures} dials in a row`} failed (${reason})`
}

export function snapshotOf({ id, slot, resolved }: EndpointRecord): EndpointSnapshot {
  const { address, priority, weight, maxConnections } = resolved
  return { id, slot, address, priority, weight, maxConnections }
}
