import { askAfterMs, heard, type Silence, silenced } from '../../core/hearing.ts'
import { maxEjected } from '../../core/outlier.ts'
import { takenLast } from '../../core/tally.ts'
import { roughly } from '../../core/wording.ts'
import { type EndpointRecord, isUp } from './endpoint-record.ts'
import type { JudgeDeps } from './judge.ts'
import { type PoolRecord, probeSpeaks } from './pool-record.ts'

/**
 * Which endpoints are silent: the only writer of a present record's hearing. Workers find a silence and hear
 * its end; here it is decided, because a pool is judged as a whole: at most half of it is silent, and
 * somebody else must be left.
 */
export class Silences {
  readonly #deps: JudgeDeps

  constructor(deps: JudgeDeps) {
    this.#deps = deps
  }

  /** A worker has found it silent. True: it is from now on. */
  begin(pool: PoolRecord, record: EndpointRecord, found: Silence): boolean {
    const { tally, nowMs, changed } = this.#deps
    if (!isUp(record) || record.hearing.kind === 'silent' || !this.#hasRoom(pool, record)) return false
    record.hearing = silenced(record.hearing, found, nowMs())
    tally.silence(record.slot)
    this.#askLater(record, 0)
    if (record.hearing.kind === 'silent') changed(pool, record, 'warn', `is silent: ${record.hearing.why}`)
    return true
  }

  /** A byte came from the endpoint: to a client, or `believed` for another reason. */
  end(pool: PoolRecord, record: EndpointRecord): void {
    const { tally, nowMs, changed } = this.#deps
    if (record.hearing.kind === 'heard') return
    const ms = nowMs() - record.hearing.sinceMs
    record.cancelAsk()
    record.hearing = heard(record.hearing, nowMs())
    tally.hear(record.slot)
    changed(pool, record, 'info', `speaks again after ${roughly(ms)}`)
  }

  /** A probe got bytes from the port that clients are sent to. */
  probed(pool: PoolRecord, record: EndpointRecord): void {
    const { hearing } = record
    if (hearing.kind === 'silent' && this.#deps.nowMs() >= hearing.believedMs) this.end(pool, record)
  }

  /** Ends what a worker has heard and could not tell of, because it died. */
  check(pool: PoolRecord, record: EndpointRecord): void {
    if (record.hearing.kind === 'silent' && !this.#deps.tally.silent(record.slot)) this.end(pool, record)
  }

  #hasRoom({ records }: PoolRecord, record: EndpointRecord): boolean {
    const silent = records.filter(({ hearing }) => hearing.kind === 'silent').length
    if (silent >= maxEjected(records.length)) return false
    return records.some(
      (other) => other !== record && isUp(other) && (this.#deps.tally.health(other.slot) & takenLast) === 0,
    )
  }

  /** Where no probe can hear it, one client at a time is sent there, with longer and longer pauses. */
  #askLater(record: EndpointRecord, asked: number): void {
    const { tally, after, pool } = this.#deps
    record.cancelAsk = after(askAfterMs(asked), () => {
      const its = pool(record.pool)
      if (its === undefined) return
      this.check(its, record)
      if (record.hearing.kind === 'heard') return
      if (!probeSpeaks(its)) tally.letAsk(record.slot)
      this.#askLater(record, asked + 1)
    })
  }
}
