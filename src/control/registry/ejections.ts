import type { OutlierConfig } from '../../config/config.ts'
import { blameless, cutOff, failed, maxEjected, type Outlier, returned } from '../../core/outlier.ts'
import { endpointCell, endpointField } from '../../core/tally.ts'
import { roughly } from '../../core/wording.ts'
import { announce } from './announce.ts'
import { type Blame, type EndpointRecord, ejectionReason, isUp } from './endpoint-record.ts'
import type { JudgeDeps } from './judge.ts'
import type { PoolRecord } from './pool-record.ts'

export interface EjectionsDeps extends JudgeDeps {
  /** 0 to 1. */
  readonly random: () => number
}

/**
 * Which endpoints are out of use for a while because connections to them fail. A pool is judged as a whole:
 * at most half of it is ejected, never the last one that is up.
 */
export class Ejections {
  readonly #deps: EjectionsDeps

  constructor(deps: EjectionsDeps) {
    this.#deps = deps
  }

  /** `code`: an errno name. */
  dialFailed(pool: PoolRecord, record: EndpointRecord, code: string): void {
    const { random, nowMs } = this.#deps
    this.#blame(pool, record, code, (rule, room) =>
      failed(record.outlier, code, rule, room, random(), nowMs()),
    )
  }

  /**
   * The endpoint has reset a connection before its first byte; by then it had served `served` connections.
   */
  cutOff(pool: PoolRecord, record: EndpointRecord, served: number): void {
    const { random, nowMs } = this.#deps
    this.#blame(pool, record, 'ECONNRESET', (rule, room) =>
      cutOff(record.outlier, served, rule, room && this.#hasBetter(pool, record), random(), nowMs()),
    )
  }

  /** Ends an ejection, if there is one; the next one is longer. */
  end(record: EndpointRecord): void {
    if (record.outlier.kind === 'in') return
    record.cancelReturn()
    record.outlier = returned(record.outlier, this.#deps.nowMs())
  }

  /** Ends an ejection, if there is one, and forgets the past. */
  forgive(record: EndpointRecord): void {
    this.end(record)
    record.outlier = blameless(this.#deps.nowMs())
  }

  /** Makes the ejections of those who stayed fit a new configuration. */
  adapt(pool: PoolRecord): void {
    const { changed } = this.#deps
    const ejected = pool.records.filter((record) => record.outlier.kind === 'ejected')
    if (pool.config.outlier === null) {
      for (const record of ejected) {
        this.forgive(record)
        changed(pool, record, 'info', 'is back: the new configuration ejects no endpoints')
      }
      return
    }
    ejected.sort((a, b) => untilMs(a) - untilMs(b))
    const surplus = Math.max(0, ejected.length - maxEjected(pool.records.length))
    for (const record of ejected.slice(0, surplus)) {
      this.end(record)
      changed(pool, record, 'info', 'is back: the pool became smaller, at most half of it is ejected')
    }
  }

  /** `reason`: an errno name. `fail`: its state after one more failure. */
  #blame(
    pool: PoolRecord,
    record: EndpointRecord,
    reason: string,
    fail: (rule: OutlierConfig, room: boolean) => Outlier,
  ): void {
    const rule = pool.config.outlier
    if (rule === null) return
    // What probes call down and what the admin drains gets dials only in panic or by a race: there is nothing
    // to eject.
    if (record.health.kind === 'down' || record.draining || record.outlier.kind === 'ejected') return
    const { total, usable, ejected } = pool.standing
    // Never the last one that is up either: every connection would then first try endpoints that are known to
    // be worse.
    const room = ejected < maxEjected(total) && usable > 1
    const before = record.outlier
    const after = fail(rule, room)
    record.outlier = after
    if (after.kind === 'ejected') {
      const ms = after.untilMs - after.sinceMs
      record.ejections++
      record.cancelReturn = this.#deps.after(ms, () => this.#return(record, ms))
      this.#deps.changed(pool, record, 'warn', `is ejected for ${roughly(ms)}: ${ejectionReason(after)}`)
      return
    }
    const blame = blameOf(before, after, reason)
    if (blame.failures !== rule.consecutiveFailures) return
    const full = usable > 1 ? 'at most half of a pool is ejected' : 'it is the last one up'
    const why = room ? 'the others do the same, so it may be the clients' : full
    const what = `stays in use, ${why}: ${ejectionReason(blame)}`
    announce(this.#deps.log, 'warn', pool, record, what, pool.standing)
  }

  /**
   * Another endpoint of the pool is up and cuts no connection off. When all do, the cause is what the clients
   * send.
   */
  #hasBetter({ records }: PoolRecord, record: EndpointRecord): boolean {
    const { tally } = this.#deps
    return records.some((other) => {
      if (other === record || !isUp(other) || other.outlier.kind === 'ejected') return false
      const { count, served } = other.outlier.cutOffs
      return count === 0 || served !== tally.sum(endpointCell(other.slot) + endpointField.served)
    })
  }

  #return(record: EndpointRecord, afterMs: number): void {
    const pool = this.#deps.pool(record.pool)
    if (pool === undefined || record.outlier.kind === 'in') return
    this.end(record)
    this.#deps.changed(pool, record, 'info', `is back after its ejection of ${roughly(afterMs)}`)
  }
}

/** The row of failures that has grown. */
function blameOf(before: Outlier, after: Outlier & { kind: 'in' }, reason: string): Blame {
  const dials = before.kind === 'in' && before.failures !== after.failures
  return dials
    ? { failures: after.failures, by: 'dials', reason }
    : { failures: after.cutOffs.count, by: 'cut-offs', reason }
}

function untilMs({ outlier }: EndpointRecord): number {
  return outlier.kind === 'ejected' ? outlier.untilMs : 0
}
