import type { Verdict } from '../../core/health.ts'
import type { Attempt } from '../../core/outcome.ts'
import { blames, connected } from '../../core/outlier.ts'
import type { Sign } from '../../core/sign.ts'
import type { EndpointId, PoolSnapshot } from '../../core/snapshot.ts'
import type { KnownState } from '../../core/status.ts'
import { healthBit } from '../../core/tally.ts'
import type { ResolvedPool } from '../../discovery/resolved-pool.ts'
import { announce, announceMembership } from './announce.ts'
import { Ejections } from './ejections.ts'
import {
  type EndpointRecord,
  healthWord,
  isSuspect,
  isUp,
  noAnswers,
  shareNow,
  stateOf,
} from './endpoint-record.ts'
import type { JudgeDeps } from './judge.ts'
import { type PartingDeps, part } from './parting.ts'
import { newPool, type PoolHealth, type PoolRecord, poolHealth, probeSpeaks } from './pool-record.ts'
import { Records, type RecordsDeps } from './records.ts'
import { Silences } from './silences.ts'
import { SlowStarts } from './slow-starts.ts'
import { type Standing, standingOf } from './standing.ts'
import { lookAtSuspects } from './suspicion.ts'
import { Verdicts } from './verdicts.ts'

export interface RegistryDeps extends RecordsDeps, PartingDeps {
  /**
   * A pool that had no usable endpoint has one. Not told of one that joins: workers see it in the snapshot.
   */
  readonly revived: (pool: string) => void
  /** 0 to 1. */
  readonly random: () => number
  /** It is in doubt how an endpoint is: inDoubt() says so from now on. */
  readonly doubt: (pool: string, endpoint: EndpointId) => void
}

/** What the metrics know of an endpoint. */
export interface EndpointNumbers {
  readonly pool: string
  readonly endpoint: EndpointId
  readonly slot: number
  /** Ejections since the endpoint is known. */
  readonly ejections: number
  /** null: it has left, and only what was counted of it is still told. */
  readonly now: EndpointNow | null
}

export interface EndpointNow {
  readonly state: KnownState
  /** It gets connections: not down, ejected or draining. */
  readonly up: boolean
  /** What it gets of the connections that are its due: 1, less in slow start, 0 when it is not up. */
  readonly share: number
}

/** A name that does not resolve: it is in the configuration and has no address, and so no numbers. */
export interface UnresolvedNumbers {
  readonly pool: string
  readonly endpoint: string
}

export type AdminResult =
  /** `changed: false`: it was so already. */
  { readonly ok: true; readonly changed: boolean } | { readonly ok: false; readonly message: string }

/** Who has one of these and loses it has recovered. */
const outBits = healthBit.down | healthBit.ejected

/**
 * Owns the state of every endpoint: what probes, dials and the admin say of it. Keyed by pool and address, so
 * a reload or a new answer of the name server changes who is there, not what is known of those who stay. It
 * writes the health words itself: workers see a change before the line about it is logged.
 */
export class Registry {
  readonly #deps: RegistryDeps
  readonly #records: Records
  readonly #slowStarts: SlowStarts
  readonly #silences: Silences
  readonly #ejections: Ejections
  readonly #verdicts: Verdicts
  #pools: ReadonlyMap<string, PoolRecord> = new Map()

  constructor(deps: RegistryDeps) {
    this.#deps = deps
    this.#records = new Records(deps)
    this.#slowStarts = new SlowStarts({
      ...deps,
      lengthMs: (pool) => this.#pools.get(pool)?.config.slowStartMs ?? 0,
      over: (record) => {
        const pool = this.#pools.get(record.pool)
        if (pool === undefined) return
        stand(pool)
        part(this.#deps, pool)
      },
    })
    const judged = {
      ...deps,
      pool: (name: string) => this.#pools.get(name),
      changed: (...change: Parameters<JudgeDeps['changed']>) => this.#changed(...change),
    }
    this.#silences = new Silences(judged)
    this.#ejections = new Ejections(judged)
    this.#verdicts = new Verdicts(judged, this.#ejections, this.#silences)
  }

  /** Takes the pools and endpoints that are in use from now on; publish pools() afterwards. */
  update(resolved: readonly ResolvedPool[]): void {
    const before = this.#pools
    const records = this.#records.replace(resolved)
    const pools = resolved.map((pool) => newPool(pool, records.get(pool.config.name) ?? []))
    this.#pools = new Map(pools.map((pool) => [pool.config.name, pool]))
    for (const pool of pools) {
      const old = before.get(pool.config.name)
      // Told last, so that what the next step mends is not announced as a panic first.
      if (old !== undefined) {
        pool.standing = old.standing
        this.#beginSlowStarts(pool, old)
      }
      this.#adapt(pool)
      const told = stand(pool)
      if (old !== undefined) announceMembership(this.#deps.log, old.records, pool, told)
      part(this.#deps, pool, old?.records.filter(isGone))
    }
    for (const [name, old] of before) if (!this.#pools.has(name)) part(this.#deps, old)
  }

  /** The pools as the snapshot `version` publishes them. */
  pools(version: number): readonly PoolSnapshot[] {
    this.#records.published(version)
    return [...this.#pools.values()].map((pool) => pool.snapshot)
  }

  /** Every worker uses the snapshot `version` or a later one. */
  acknowledged(version: number): void {
    this.#records.acknowledged(version)
  }

  /**
   * What a worker reports of a dial. What is late (the endpoint left) and what is this machine's fault is
   * ignored.
   */
  attempt({ slot, error }: Attempt): void {
    const record = this.#records.at(slot)
    const pool = record && this.#pools.get(record.pool)
    if (record === undefined || pool === undefined) return
    if (error === null) record.outlier = connected(record.outlier)
    else if (blames(error)) {
      // Where the way back to one client is missing, and to others it is not: it must not count for the rest.
      const maybeClients = pool.config.transparent && error.reason === 'timeout'
      if (!maybeClients) this.#ejections.dialFailed(pool, record, error.code)
      this.#doubt(pool, record)
    }
  }

  /** What workers have noticed. What is late is ignored. */
  signs(signs: readonly Sign[]): void {
    for (const sign of signs) {
      const record = this.#records.at(sign.slot)
      const pool = record && this.#pools.get(record.pool)
      if (record === undefined || pool === undefined) continue
      switch (sign.kind) {
        case 'unanswered':
          this.#doubt(pool, record)
          continue
        case 'cut-off':
          this.#ejections.cutOff(pool, record, sign.served)
          this.#doubt(pool, record)
          continue
        case 'silent':
          if (this.#silences.begin(pool, record, sign)) this.#doubt(pool, record)
          continue
        case 'heard':
          this.#silences.end(pool, record)
          continue
      }
    }
  }

  /**
   * Whether probes of an endpoint follow each other quickly: one answer less may change what is said of it.
   * Not on the way back: a node that comes and goes would be up in each of its good moments.
   */
  inDoubt(poolName: string, endpoint: EndpointId): boolean {
    const pool = this.#pools.get(poolName)
    const record = this.#records.find(poolName, endpoint)
    if (pool === undefined || record === undefined) return false
    const { health, hearing, doubtUntilMs } = record
    if (this.#deps.nowMs() < doubtUntilMs) return true
    if (health.kind === 'down') return false
    if (hearing.kind === 'silent' && probeSpeaks(pool)) return true
    return health.kind === 'up' && health.failures > 0
  }

  /** What a probe found. What is late (the endpoint left, its pool is not probed any more) is ignored. */
  verdict(poolName: string, endpoint: EndpointId, verdict: Verdict): void {
    const pool = this.#pools.get(poolName)
    const record = this.#records.find(poolName, endpoint)
    if (pool === undefined || record === undefined) return
    this.#verdicts.take(pool, record, verdict)
  }

  /**
   * No new connections to an endpoint until ready(); existing ones go on, or are let go as `onRemoval` says.
   * It survives a reload, not a restart.
   */
  drain(pool: string, endpoint: string): AdminResult {
    return this.#setDraining(pool, endpoint, true)
  }

  /** Ends drain(). */
  ready(pool: string, endpoint: string): AdminResult {
    return this.#setDraining(pool, endpoint, false)
  }

  /** Endpoints of a pool that get connections; 0 for a pool that does not exist. */
  usable(pool: string): number {
    return this.#pools.get(pool)?.standing.usable ?? 0
  }

  status(): readonly PoolHealth[] {
    this.look()
    const nowMs = this.#deps.nowMs()
    return [...this.#pools.values()].map((pool) => poolHealth(pool, this.#deps.tally, nowMs))
  }

  /** Every endpoint whose series exist: those in use, and those that left less than ten minutes ago. */
  endpoints(): readonly EndpointNumbers[] {
    return this.#records.visible().map((record) => ({
      pool: record.pool,
      endpoint: record.id,
      slot: record.slot,
      ejections: record.ejections,
      now: record.presence.kind === 'present' ? this.#now(record) : null,
    }))
  }

  /** Of all endpoints that may have connections, by slot. */
  names() {
    return this.#records.names()
  }

  /** The histograms of each pool in use. */
  poolTimes() {
    return [...this.#pools.keys()].map((pool) => ({ pool, ...this.#records.times(pool) }))
  }

  /** Names of present pools that have no address so far. */
  unresolved(): readonly UnresolvedNumbers[] {
    return [...this.#pools.values()].flatMap(({ config, unresolved }) =>
      unresolved.map(({ endpoint }) => ({ pool: config.name, endpoint })),
    )
  }

  /** Notices what workers have marked, and logs it. Called from time to time. */
  look(): void {
    const { tally, log, nowMs } = this.#deps
    for (const pool of this.#pools.values()) lookAtSuspects(pool, tally, log, nowMs())
  }

  /** Probes answered since the start. Those that this machine could not even begin are in neither number. */
  healthChecks(): { readonly success: number; readonly failure: number } {
    return this.#verdicts.counts
  }

  /** Ends all timers. */
  stop(): void {
    this.#slowStarts.stop()
    this.#records.stop()
  }

  #now(record: EndpointRecord): EndpointNow {
    const suspect = isSuspect(record, this.#deps.tally)
    return { state: suspect ? 'suspect' : stateOf(record), up: isUp(record), share: shareNow(record) }
  }

  /** Probes follow each other quickly for as long as it takes to settle it. */
  #doubt(pool: PoolRecord, record: EndpointRecord): void {
    const { probe, fall, fastIntervalMs } = pool.config.health
    if (probe.kind === 'off' || !isUp(record)) return
    record.doubtUntilMs = this.#deps.nowMs() + fall * fastIntervalMs
    this.#deps.doubt(record.pool, record.id)
  }

  /** Makes what is known of those who stayed fit a new configuration. */
  #adapt(pool: PoolRecord): void {
    const { health } = pool.config
    for (const record of pool.records) {
      if (health.probe.kind === 'off' && record.health.kind !== 'unknown') {
        record.health = { kind: 'unknown' }
        record.answers = noAnswers
        this.#changed(pool, record, 'info', 'is used unprobed: the new configuration has no probe')
      }
    }
    this.#ejections.adapt(pool)
  }

  #setDraining(poolName: string, endpoint: string, draining: boolean): AdminResult {
    const pool = this.#pools.get(poolName)
    if (pool === undefined) {
      return {
        ok: false,
        message: `no pool \`${poolName}\`; there are: ${[...this.#pools.keys()].join(', ')}`,
      }
    }
    const record = this.#records.find(poolName, endpoint)
    if (record === undefined) {
      const ids = pool.records.map(({ id }) => id).join(', ')
      return { ok: false, message: `no endpoint \`${endpoint}\` in pool ${poolName}; there are: ${ids}` }
    }
    if (record.draining === draining) return { ok: true, changed: false }
    record.draining = draining
    const what = draining ? 'is draining: asked by the admin' : `is ${stateOf(record)}: draining is over`
    this.#changed(pool, record, 'info', what)
    return { ok: true, changed: true }
  }

  /** The one way a change becomes visible: to workers, in the status, in the log. */
  #changed(pool: PoolRecord, record: EndpointRecord, level: 'info' | 'warn', what: string): void {
    const { tally } = this.#deps
    const wasOut = (tally.health(record.slot) & outBits) !== 0
    const isOut = (healthWord(record) & outBits) !== 0
    if (isOut) this.#slowStarts.end(record)
    else if (wasOut) this.#slowStarts.begin(record)
    tally.setHealth(record.slot, healthWord(record))
    const state = stateOf(record)
    if (state !== record.state) {
      record.state = state
      record.sinceMs = this.#deps.nowMs()
    }
    const before = stand(pool)
    announce(this.#deps.log, level, pool, record, what, before)
    part(this.#deps, pool)
    if (before.usable === 0 && pool.standing.usable > 0) this.#deps.revived(record.pool)
  }

  /** Begins the slow start of endpoints that joined a pool that was there before. */
  #beginSlowStarts(pool: PoolRecord, old: PoolRecord): void {
    const there = new Set(old.records)
    for (const record of pool.records) {
      if (there.has(record) || (healthWord(record) & outBits) !== 0) continue
      this.#slowStarts.begin(record)
      this.#deps.tally.setHealth(record.slot, healthWord(record))
    }
  }
}

/** Counts a pool's endpoints again. Returns how it stood before. */
function stand(pool: PoolRecord): Standing {
  const before = pool.standing
  pool.standing = standingOf(pool.records, pool.config.panic)
  // Whoever is down when the pool comes out of panic is judged anew, by probes that work again.
  if (pool.standing.nobody === 'panic') for (const record of pool.records) record.condemned = false
  return before
}

function isGone({ presence }: EndpointRecord): boolean {
  return presence.kind === 'departed'
}
