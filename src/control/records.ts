import { heardSince } from '../core/hearing.ts'
import { blameless } from '../core/outlier.ts'
import { fullShare } from '../core/slow-start.ts'
import { maxEndpoints, type Tally } from '../core/tally.ts'
import type { After } from './after.ts'
import { type EndpointRecord, healthWord, noAnswers } from './endpoint-record.ts'
import type { Log } from './log.ts'
import type { ResolvedEndpoint, ResolvedPool } from './resolved-pool.ts'

export interface RecordsDeps {
  readonly tally: Tally
  readonly log: Log
  readonly nowMs: () => number
  readonly after: After
}

/** How long the series of a departed endpoint stay: two scrapes of the slowest usual collector, several times over. */
const keepMs = 600_000
/** Nothing waits for a freed slot while there are others, so it may be late. */
const sweepEveryMs = 10_000

/**
 * The records of all endpoints and the slots they have in the shared rows. A slot is given to another endpoint only when
 * its own has been away for ten minutes, every worker has acknowledged a snapshot without it, and no connection or dial
 * is left; until then a returning endpoint finds its record as it was.
 */
export class Records {
  readonly #deps: RecordsDeps
  readonly #byKey = new Map<string, EndpointRecord>()
  readonly #bySlot: (EndpointRecord | undefined)[] = new Array(maxEndpoints).fill(undefined)
  #acknowledged = 0
  #cancelSweep: (() => void) | null = null

  constructor(deps: RecordsDeps) {
    this.#deps = deps
  }

  /** Makes exactly these endpoints present. Returns their records by pool, sorted by priority, then by id. */
  replace(pools: readonly ResolvedPool[]): ReadonlyMap<string, readonly EndpointRecord[]> {
    const present = new Set(
      pools.flatMap((pool) => pool.endpoints.map(({ id }) => keyOf(pool.config.name, id))),
    )
    for (const [key, record] of this.#byKey) if (!present.has(key)) this.#depart(record)
    return new Map(
      pools.map(({ config, endpoints }) => {
        const records = endpoints.flatMap((endpoint) => this.#present(config.name, endpoint) ?? [])
        return [config.name, records.sort(inOrder)]
      }),
    )
  }

  find(pool: string, endpoint: string): EndpointRecord | undefined {
    const record = this.#byKey.get(keyOf(pool, endpoint))
    return record?.presence.kind === 'present' ? record : undefined
  }

  /** The record in `slot` while it is present. */
  at(slot: number): EndpointRecord | undefined {
    const record = this.#bySlot[slot]
    return record?.presence.kind === 'present' ? record : undefined
  }

  /** Present records, and those that departed less than ten minutes ago. */
  visible(): readonly EndpointRecord[] {
    const nowMs = this.#deps.nowMs()
    return [...this.#byKey.values()].filter(
      ({ presence }) => presence.kind === 'present' || nowMs - presence.sinceMs < keepMs,
    )
  }

  /** The snapshot `version` holds what is present now, and nothing else. */
  published(version: number): void {
    for (const record of this.#byKey.values()) {
      const { presence } = record
      if (presence.kind === 'departed' && presence.goneIn === null) {
        record.presence = { ...presence, goneIn: version }
      }
    }
  }

  /** Every worker uses the snapshot `version` or a later one. */
  acknowledged(version: number): void {
    this.#acknowledged = version
  }

  stop(): void {
    this.#cancelSweep?.()
    this.#cancelSweep = null
    for (const record of this.#byKey.values()) {
      record.cancelReturn()
      record.cancelAsk()
    }
  }

  #present(pool: string, resolved: ResolvedEndpoint): EndpointRecord | undefined {
    const known = this.#byKey.get(keyOf(pool, resolved.id))
    if (known === undefined) return this.#create(pool, resolved)
    known.resolved = resolved
    known.presence = { kind: 'present' }
    return known
  }

  #create(pool: string, resolved: ResolvedEndpoint): EndpointRecord | undefined {
    if (!this.#bySlot.includes(undefined)) this.#free(0)
    const slot = this.#bySlot.indexOf(undefined)
    if (slot === -1) {
      const message = `pool ${pool}: endpoint ${resolved.id} is left out: there is room for ${maxEndpoints} endpoints, those that left and still have connections included; use fewer`
      this.#deps.log.error({ pool, endpoint: resolved.id }, message)
      return undefined
    }
    const nowMs = this.#deps.nowMs()
    const record: EndpointRecord = {
      pool,
      id: resolved.id,
      slot,
      resolved,
      health: { kind: 'unknown' },
      outlier: blameless(nowMs),
      hearing: heardSince(nowMs),
      doubtUntilMs: nowMs,
      draining: false,
      share: fullShare,
      ejections: 0,
      answers: noAnswers,
      condemned: false,
      parting: { kind: 'keep' },
      state: 'unknown',
      sinceMs: nowMs,
      suspectSinceMs: null,
      cancelReturn: () => {},
      cancelAsk: () => {},
      presence: { kind: 'present' },
    }
    this.#bySlot[slot] = record
    this.#byKey.set(keyOf(pool, resolved.id), record)
    this.#deps.tally.setHealth(slot, healthWord(record))
    return record
  }

  /** What probes and the admin said of it is kept, in case it comes back; an ejection, a silence and a slow start are too short-lived for that. */
  #depart(record: EndpointRecord): void {
    if (record.presence.kind === 'departed') return
    const nowMs = this.#deps.nowMs()
    record.presence = { kind: 'departed', sinceMs: nowMs, goneIn: null }
    record.cancelReturn()
    record.outlier = blameless(nowMs)
    record.cancelAsk()
    record.hearing = heardSince(nowMs)
    this.#deps.tally.hear(record.slot)
    record.share = fullShare
    record.condemned = false
    record.answers = noAnswers
    record.suspectSinceMs = null
    this.#deps.tally.setHealth(record.slot, healthWord(record))
    this.#cancelSweep ??= this.#deps.after(sweepEveryMs, () => this.#sweep())
  }

  #sweep(): void {
    this.#free(keepMs)
    const departed = this.#byKey.values().some(({ presence }) => presence.kind === 'departed')
    this.#cancelSweep = departed ? this.#deps.after(sweepEveryMs, () => this.#sweep()) : null
  }

  /** Frees every slot that nobody uses and whose endpoint has been away for `awayMs`. */
  #free(awayMs: number): void {
    const nowMs = this.#deps.nowMs()
    for (const [key, { slot, presence }] of this.#byKey) {
      if (presence.kind === 'present' || nowMs - presence.sinceMs < awayMs) continue
      if (presence.goneIn === null || presence.goneIn > this.#acknowledged) continue
      if (this.#deps.tally.held(slot) !== 0) continue
      this.#byKey.delete(key)
      this.#bySlot[slot] = undefined
      this.#deps.tally.clearEndpoint(slot)
    }
  }
}

/** A NUL is in no endpoint's id. */
function keyOf(pool: string, endpoint: string): string {
  return `${endpoint}\0${pool}`
}

/** Code units, not a locale: all nodes have to agree on it. */
function inOrder(a: EndpointRecord, b: EndpointRecord): number {
  return a.resolved.priority - b.resolved.priority || (a.id < b.id ? -1 : 1)
}
