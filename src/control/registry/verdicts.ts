import { probed, type Verdict } from '../../core/health.ts'
import { probedOutlier } from '../../core/outlier.ts'
import type { Ejections } from './ejections.ts'
import type { EndpointRecord, ProbeTimes } from './endpoint-record.ts'
import type { JudgeDeps } from './judge.ts'
import { isCondemned, type PartingDeps, part } from './parting.ts'
import type { PoolRecord } from './pool-record.ts'
import type { Silences } from './silences.ts'

/**
 * What probes say of endpoints: who is up and down, and what that ends of what dials and clients have said.
 */
export class Verdicts {
  readonly #deps: JudgeDeps & PartingDeps
  readonly #ejections: Ejections
  readonly #silences: Silences
  #counts = { success: 0, failure: 0 }
  #localToldMs = Number.NEGATIVE_INFINITY

  constructor(deps: JudgeDeps & PartingDeps, ejections: Ejections, silences: Silences) {
    this.#deps = deps
    this.#ejections = ejections
    this.#silences = silences
  }

  /** ProbeTimes so far. Those of probes that this machine could not even begin are in neither number. */
  get counts(): { readonly success: number; readonly failure: number } {
    return { ...this.#counts }
  }

  /** A probe of the endpoint is over; a late one, whose pool is not probed any more, is ignored. */
  take(pool: PoolRecord, record: EndpointRecord, verdict: Verdict): void {
    const { fall, rise, probe } = pool.config.health
    if (probe.kind === 'off') return
    if (!verdict.ok && verdict.fault === 'local') {
      this.#tellLocal(verdict.reason)
      return
    }
    this.#counts[verdict.ok ? 'success' : 'failure']++
    // It has answered a connection to the very port that clients are sent to.
    if (verdict.ok && probe.port === null) this.#deps.tally.trust(record.slot)
    const spoke = verdict.ok && verdict.spoke
    if (spoke && probe.port === null) this.#silences.probed(pool, record)
    this.#silences.check(pool, record)
    const before = record.health
    const after = probed(before, verdict, { fall, rise }, this.#deps.nowMs())
    record.health = after
    record.answers = answered(record.answers, verdict, this.#deps.nowMs())
    const wasCondemned = record.condemned
    record.condemned = after.kind === 'down' && (wasCondemned || isCondemned(record, pool))
    record.outlier = probedOutlier(record.outlier, verdict.ok, spoke && probe.port === null)
    const count = (of: number) => (before.kind === 'unknown' ? 'first probe' : `${of} of ${of} probes`)
    if (after.kind === 'down' && before.kind !== 'down') {
      // The stronger word takes over, and the ejection makes room for another endpoint's.
      this.#ejections.end(record)
      this.#deps.changed(pool, record, 'warn', `is down: ${after.reason} (${count(fall)} failed)`)
    } else if (after.kind === 'up' && before.kind !== 'up') {
      this.#ejections.forgive(record)
      this.#deps.changed(pool, record, 'info', `is up: ${after.last} (${count(rise)} succeeded)`)
      // Whatever port it has: these probes were not answered either, and now they are.
      if (spoke && before.kind === 'down') this.#silences.end(pool, record)
    } else if (verdict.ok && record.outlier.kind === 'ejected' && record.outlier.vouched >= rise) {
      this.#ejections.end(record)
      this.#deps.changed(pool, record, 'info', `is back before its ejection was over: ${verdict.detail}`)
    } else if (record.condemned && !wasCondemned) {
      part(this.#deps, pool)
    }
  }

  /**
   * At most once a minute: it concerns all endpoints at once, and each of them is probed every few seconds.
   */
  #tellLocal(reason: string): void {
    const nowMs = this.#deps.nowMs()
    if (nowMs - this.#localToldMs < 60_000) return
    this.#localToldMs = nowMs
    const message = `probes fail for a reason of this machine, so endpoints keep their state: ${reason}`
    this.#deps.log.warn({ reason }, message)
  }
}

function answered(before: ProbeTimes, verdict: Verdict, nowMs: number): ProbeTimes {
  if (verdict.ok) return { goodMs: nowMs - verdict.ms, badSinceMs: null }
  return { ...before, badSinceMs: before.badSinceMs ?? nowMs }
}
