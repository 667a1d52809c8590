import type { After } from '../../core/after.ts'
import { heardSince } from '../../core/hearing.ts'
import { histogramSize } from '../../core/histogram.ts'
import type { Log } from '../../core/log.ts'
import { blameless } from '../../core/outlier.ts'
import { fullShare } from '../../core/slow-start.ts'
import { addCells, maxEndpoints, poolHistograms, type Tally } from '../../core/tally.ts'
import type { ResolvedEndpoint, ResolvedPool } from '../../discovery/resolved-pool.ts'
import { type EndpointRecord, healthWord, noAnswers } from './endpoint-record.ts'
import { fairShares } from './fair-share.ts'

export interface RecordsDeps {
  readonly tally: Tally
  readonly log: Log
  readonly nowMs: () => number
  readonly after: After
  /** There is room again for endpoints that were left out: replace() would take them. */
  readonly room?: () => void
}

/** How many endpoints of a pool were left out, as last logged. */
interface LeftOut {
  readonly count: number
  readonly toldMs: number
}

/** How often a count that changes with every answer of a source is logged. */
const tellAgainMs = 60_000

/**
 * How long the series of a departed endpoint stay: two scrapes of the slowest usual collector, several times
 * over.
 */
const keepMs = 600_000
/** Nothing waits for a freed slot while there are others, so it may be late. */
const sweepEveryMs = 10_000

/**
 * The records of all endpoints and the slots they have in the shared rows. A slot is given to another
 * endpoint only when its own has been away for ten minutes, every worker has acknowledged a snapshot without
 * it, and no connection or dial is left; until then a returning endpoint finds its record as it was.
 */
export class Records {
  readonly #deps: RecordsDeps
  readonly #byKey = new Map<string, EndpointRecord>()
  readonly #bySlot: (EndpointRecord | undefined)[] = new Array(maxEndpoints).fill(undefined)
  #acknowledged = 0
  /** By pool: the parts that endpoints which are gone had in its histograms, so that these never shrink. */
  readonly #gone = new Map<string, PoolTimes>()
  /** By pool. */
  #leftOut: ReadonlyMap<string, LeftOut> = new Map()
  #cancelSweep: (() => void) | null = null

  constructor(deps: RecordsDeps) {
    this.#deps = deps
  }

  /**
   * Makes exactly these endpoints present, as far as there is room: each pool has its share, so that a large
   * one leaves something to the others. Returns their records by pool, sorted by priority, then by id.
   */
  replace(pools: readonly ResolvedPool[]): ReadonlyMap<string, readonly EndpointRecord[]> {
    const wanted = pools.map(({ endpoints }) => endpoints.length)
    const shares = fairShares(wanted, maxEndpoints)
    const names = new Set(pools.map(({ config }) => config.name))
    for (const name of this.#gone.keys()) if (!names.has(name)) this.#gone.delete(name)
    const chosen = pools.map(({ config, endpoints }, i) =>
      this.#choose(config.name, endpoints, shares[i] ?? 0),
    )
    const present = new Set(
      pools.flatMap(({ config }, i) => (chosen[i] ?? []).map(({ id }) => keyOf(config.name, id))),
    )
    for (const [key, record] of this.#byKey) if (!present.has(key)) this.#depart(record)
    const needed = present.size - present.intersection(this.#byKey).size
    if (needed > maxEndpoints - this.#byKey.size) this.#free(0)
    const leftOut = new Map<string, LeftOut>()
    const found = pools.map(({ config: { name }, endpoints }, i) => {
      const records = (chosen[i] ?? []).flatMap((endpoint) => this.#present(name, endpoint) ?? [])
      const count = endpoints.length - records.length
      const told = this.#tell(name, count, endpoints.length)
      if (told !== null) leftOut.set(name, told)
      return [name, records.sort(inOrder)] as const
    })
    this.#leftOut = leftOut
    return new Map(found)
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

  /** By slot, for as long as it is its own. */
  names(): ReadonlyMap<number, { readonly pool: string; readonly endpoint: string }> {
    const records = this.#byKey.values()
    return new Map(records.map(({ slot, pool, id }) => [slot, { pool, endpoint: id }]))
  }

  /** Present records, and those that departed less than ten minutes ago. */
  visible(): readonly EndpointRecord[] {
    const nowMs = this.#deps.nowMs()
    return [...this.#byKey.values()].filter(
      ({ presence }) => presence.kind === 'present' || nowMs - presence.sinceMs < keepMs,
    )
  }

  /** The histograms of a pool: the parts of its endpoints, those that are gone included. */
  times(pool: string): PoolTimes {
    const sums = this.#gone.get(pool) ?? noTimes()
    const times = { firstByte: sums.firstByte.slice(), clientRtt: sums.clientRtt.slice() }
    for (const record of this.#byKey.values()) if (record.pool === pool) this.#count(record.slot, times)
    return times
  }

  #count(slot: number, times: PoolTimes): void {
    const { tally } = this.#deps
    addCells(tally, slot, poolHistograms.firstByte, times.firstByte)
    addCells(tally, slot, poolHistograms.clientRtt, times.clientRtt)
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
    this.#admit()
  }

  stop(): void {
    this.#cancelSweep?.()
    this.#cancelSweep = null
    for (const record of this.#byKey.values()) {
      record.cancelReturn()
      record.cancelAsk()
    }
  }

  /**
   * All of them, or as many as the pool's share has: those that are there already, then the first in order.
   */
  #choose(pool: string, endpoints: readonly ResolvedEndpoint[], share: number): readonly ResolvedEndpoint[] {
    if (endpoints.length <= share) return endpoints
    const ranked = endpoints.map((endpoint) => {
      return { endpoint, isNew: this.find(pool, endpoint.id) === undefined }
    })
    ranked.sort((a, b) => Number(a.isNew) - Number(b.isNew) || byPriority(a.endpoint, b.endpoint))
    return ranked.slice(0, share).map(({ endpoint }) => endpoint)
  }

  /** One line for a pool when endpoints are left out, one when none is any more. null: none is. */
  #tell(pool: string, count: number, of: number): LeftOut | null {
    const before = this.#leftOut.get(pool)
    const nowMs = this.#deps.nowMs()
    if (count === 0) {
      if (before !== undefined)
        this.#deps.log.info({ pool }, `pool ${pool}: all of its ${of} endpoints have room again`)
      return null
    }
    const isNews = before === undefined || (before.count !== count && nowMs - before.toldMs >= tellAgainMs)
    if (!isNews) return before
    const message = `pool ${pool}: ${count} of its ${of} endpoints are left out: there is room for ${maxEndpoints} in all pools, those that left and still have connections included; use fewer`
    this.#deps.log.error({ pool, leftOut: count, endpoints: of }, message)
    return { count, toldMs: nowMs }
  }

  /** Asks for a replace() when endpoints were left out and slots have become free. */
  #admit(): void {
    if (this.#leftOut.size > 0 && this.#free(0) > 0) this.#deps.room?.()
  }

  #present(pool: string, resolved: ResolvedEndpoint): EndpointRecord | undefined {
    const known = this.#byKey.get(keyOf(pool, resolved.id))
    if (known === undefined) return this.#create(pool, resolved)
    known.resolved = resolved
    known.presence = { kind: 'present' }
    return known
  }

  #create(pool: string, resolved: ResolvedEndpoint): EndpointRecord | undefined {
    const slot = this.#byKey.size === maxEndpoints ? -1 : this.#bySlot.indexOf(undefined)
    if (slot === -1) return undefined
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

  /**
   * What probes and the admin said of it is kept, in case it comes back; an ejection, a silence and a slow
   * start are too short-lived for that.
   */
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
    this.#admit()
    const departed = this.#byKey.values().some(({ presence }) => presence.kind === 'departed')
    this.#cancelSweep = departed ? this.#deps.after(sweepEveryMs, () => this.#sweep()) : null
  }

  /** Frees every slot that nobody uses and whose endpoint has been away for `awayMs`. Returns how many. */
  #free(awayMs: number): number {
    let freed = 0
    const nowMs = this.#deps.nowMs()
    for (const [key, { pool, slot, presence }] of this.#byKey) {
      if (presence.kind === 'present' || nowMs - presence.sinceMs < awayMs) continue
      if (presence.goneIn === null || presence.goneIn > this.#acknowledged) continue
      if (this.#deps.tally.held(slot) !== 0) continue
      this.#byKey.delete(key)
      this.#bySlot[slot] = undefined
      const gone = this.#gone.get(pool) ?? noTimes()
      this.#count(slot, gone)
      this.#gone.set(pool, gone)
      this.#deps.tally.clearEndpoint(slot)
      freed++
    }
    return freed
  }
}

interface PoolTimes {
  readonly firstByte: Float64Array
  readonly clientRtt: Float64Array
}

function noTimes(): PoolTimes {
  const { firstByte, clientRtt } = poolHistograms
  return {
    firstByte: new Float64Array(histogramSize(firstByte.bounds)),
    clientRtt: new Float64Array(histogramSize(clientRtt.bounds)),
  }
}

/** A NUL is in no endpoint's id. */
function keyOf(pool: string, endpoint: string): string {
  return `${endpoint}\0${pool}`
}

/** Code units, not a locale: all nodes have to agree on it. */
function inOrder(a: EndpointRecord, b: EndpointRecord): number {
  return byPriority(a.resolved, b.resolved)
}

function byPriority(a: ResolvedEndpoint, b: ResolvedEndpoint): number {
  return a.priority - b.priority || (a.id < b.id ? -1 : 1)
}
