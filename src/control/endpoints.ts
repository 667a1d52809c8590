import type { Config } from '../config/config.ts'
import type { After } from '../core/after.ts'
import type { Log } from '../core/log.ts'
import type { PoolStatus } from '../core/status.ts'
import type { Tally } from '../core/tally.ts'
import { Discovered } from '../discovery/discovered.ts'
import { systemLookup } from '../discovery/dns/name-lookup.ts'
import { Names } from '../discovery/names.ts'
import { openSource } from '../discovery/open-source.ts'
import type { ResolvedPool } from '../discovery/resolved-pool.ts'
import { Rest } from '../discovery/rest.ts'
import { LoopGuard } from '../discovery/self-forward.ts'
import type { Prober } from '../probe/prober.ts'
import type { HoldAck } from '../probe/tcp.ts'
import type { ApplyParting } from './registry/parting.ts'
import { Registry, type RegistryDeps } from './registry/registry.ts'

/**
 * A start waits this long for names and sources before it listens; what comes later is published when it
 * comes.
 */
const firstMs = 1_000

/**
 * How often endpoints that workers have marked as suspect are looked for; a suspicion shorter than this is
 * not logged.
 */
const lookMs = 500

/** The part of a configuration that says what the endpoints are, and what they must not be. */
export type PoolsConfig = Pick<Config, 'pools' | 'kubernetes' | 'listeners'>

export interface EndpointsDeps {
  readonly tally: Tally
  readonly log: Log
  readonly after: After
  readonly nowMs: () => number
  /** The endpoints of a pool have changed without a new configuration. */
  readonly changed: () => void
  readonly applyParting: ApplyParting
  /** A pool that had no usable endpoint has one. */
  readonly revived: (pool: string) => void
  /** Addresses that this host has now. */
  readonly hostAddresses: () => readonly string[]
  /** For probes that end before the handshake does; null: not on this host. */
  readonly holdAck: HoldAck | null
}

/** What the endpoints are and how they are doing: names, sources, probes and the registry, kept in step. */
export class Endpoints {
  readonly registry: Registry
  readonly #deps: EndpointsDeps
  readonly #names: Names
  readonly #discovered: Discovered
  readonly #loops: LoopGuard
  /** A source may change its answer hundreds of times a second, and each costs as much as all endpoints. */
  readonly #news: Rest
  #listeners: PoolsConfig['listeners'] = []
  #cancelLook = (): void => {}
  #prober: { readonly prober: Prober; readonly retarget: () => void } | null = null

  constructor(deps: EndpointsDeps) {
    const { tally, log, after, nowMs, applyParting, revived } = deps
    this.#news = new Rest(() => {
      this.#refresh()
      deps.changed()
    }, deps)
    const changed = (): void => this.#news.ask()
    const random = Math.random
    this.#deps = deps
    this.#loops = new LoopGuard(deps.hostAddresses, log)
    const doubt: RegistryDeps['doubt'] = (pool, endpoint) => this.#prober?.prober.hurry(pool, endpoint)
    this.registry = new Registry({
      tally,
      log,
      nowMs,
      random,
      after,
      applyParting,
      revived,
      doubt,
      room: changed,
    })
    const lookup = systemLookup({ after, nowMs })
    this.#names = new Names({ lookup, log, after, nowMs, random, changed })
    this.#discovered = new Discovered(openSource, { log, after, nowMs, random, changed })
  }

  /**
   * Takes the first configuration; resolves when its names and sources have answered, or have had their time.
   */
  async begin(config: PoolsConfig): Promise<void> {
    this.#listeners = config.listeners
    this.#names.update(config.pools)
    this.#discovered.update(config, [])
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = this.#deps.after(firstMs, resolve)
    await Promise.race([Promise.all([this.#names.resolved(), this.#discovered.first()]), promise])
    cancel()
    this.#refresh()
    this.#lookLater()
  }

  /** Takes a new configuration. */
  update(config: PoolsConfig): void {
    const before = this.#pools()
    this.#listeners = config.listeners
    this.#names.update(config.pools)
    this.#discovered.update(config, before)
    this.#refresh()
  }

  /** Begins to probe. Apart from begin(), because undici and TLS cost time that a start has not. */
  async probe(): Promise<void> {
    const [{ Prober }, { probe, probeTargets }] = await Promise.all([
      import('../probe/prober.ts'),
      import('../probe/probe.ts'),
    ])
    const { after, nowMs, holdAck } = this.#deps
    const prober = new Prober({
      probe: (target, signal) => probe(target, signal, holdAck),
      verdict: (pool, endpoint, verdict) => this.registry.verdict(pool, endpoint, verdict),
      inDoubt: (pool, endpoint) => this.registry.inDoubt(pool, endpoint),
      after,
      nowMs,
      random: Math.random,
    })
    const retarget = (): void => prober.update(probeTargets(this.#pools()))
    this.#prober = { prober, retarget }
    retarget()
  }

  status(): readonly PoolStatus[] {
    return this.registry.status().map((pool) => ({ ...pool, discovery: this.#discovered.status(pool.name) }))
  }

  /** For the log, `pool web: endpoint 10.0.0.5:9443`. */
  nameOf(slot: number): string {
    const found = this.registry.endpoints().find((endpoint) => endpoint.slot === slot)
    return found === undefined ? 'an endpoint that left' : `pool ${found.pool}: endpoint ${found.endpoint}`
  }

  stop(): void {
    this.#cancelLook()
    this.#news.stop()
    this.#prober?.prober.stop()
    this.#discovered.stop()
    this.#names.stop()
    this.registry.stop()
  }

  #lookLater(): void {
    this.#cancelLook = this.#deps.after(lookMs, () => {
      this.registry.look()
      this.#lookLater()
    })
  }

  #refresh(): void {
    this.registry.update(this.#pools())
    this.#prober?.retarget()
  }

  #pools(): readonly ResolvedPool[] {
    return this.#names.pools().map((pool) => this.#loops.admit(this.#discovered.fill(pool), this.#listeners))
  }
}
