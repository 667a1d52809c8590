import type { Config } from '../config/config.ts'
import type { PoolStatus } from '../core/status.ts'
import type { Tally } from '../core/tally.ts'
import type { After } from './after.ts'
import { Discovered } from './discovery/discovered.ts'
import { openSource } from './discovery/open-source.ts'
import type { LetGo } from './failback.ts'
import type { Log } from './log.ts'
import { systemLookup } from './name-lookup.ts'
import { Names } from './names.ts'
import type { Prober } from './prober.ts'
import { Registry } from './registry.ts'
import type { ResolvedPool } from './resolved-pool.ts'
import { Rest } from './rest.ts'
import { LoopGuard } from './self-forward.ts'

/** A start waits this long for names and sources before it listens; what comes later is published when it comes. */
const firstMs = 1_000

/** The part of a configuration that says who the endpoints are, and who they must not be. */
export type PoolsConfig = Pick<Config, 'pools' | 'kubernetes' | 'listeners'>

export interface EndpointsDeps {
  readonly tally: Tally
  readonly log: Log
  readonly after: After
  readonly nowMs: () => number
  /** The endpoints of a pool have changed without a new configuration. */
  readonly changed: () => void
  readonly letGo: LetGo
  /** Addresses that this host has now. */
  readonly hostAddresses: () => readonly string[]
}

/** Who the endpoints are and how they are: names, sources, probes and the registry, kept in step. */
export class Endpoints {
  readonly registry: Registry
  readonly #deps: EndpointsDeps
  readonly #names: Names
  readonly #discovered: Discovered
  readonly #loops: LoopGuard
  /** A source may change its answer hundreds of times a second, and each costs as much as all endpoints. */
  readonly #news: Rest
  #listeners: PoolsConfig['listeners'] = []
  #prober: { readonly prober: Prober; readonly retarget: () => void } | null = null

  constructor(deps: EndpointsDeps) {
    const { tally, log, after, nowMs, letGo } = deps
    this.#news = new Rest(() => {
      this.#refresh()
      deps.changed()
    }, deps)
    const changed = (): void => this.#news.ask()
    const random = Math.random
    this.#deps = deps
    this.#loops = new LoopGuard(deps.hostAddresses, log)
    this.registry = new Registry({ tally, log, nowMs, random, after, letGo, room: changed })
    const lookup = systemLookup({ after, nowMs })
    this.#names = new Names({ lookup, log, after, nowMs, random, changed })
    this.#discovered = new Discovered(openSource, { log, after, nowMs, random, changed })
  }

  /** Takes the first configuration; resolves when its names and sources have answered, or have had their time. */
  async begin(config: PoolsConfig): Promise<void> {
    this.#listeners = config.listeners
    this.#names.update(config.pools)
    this.#discovered.update(config, [])
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = this.#deps.after(firstMs, resolve)
    await Promise.race([Promise.all([this.#names.resolved(), this.#discovered.first()]), promise])
    cancel()
    this.#refresh()
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
      import('./prober.ts'),
      import('./probe.ts'),
    ])
    const { after, nowMs } = this.#deps
    const prober = new Prober({
      probe,
      verdict: (pool, endpoint, verdict) => this.registry.verdict(pool, endpoint, verdict),
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

  stop(): void {
    this.#news.stop()
    this.#prober?.prober.stop()
    this.#discovered.stop()
    this.#names.stop()
    this.registry.stop()
  }

  #refresh(): void {
    this.registry.update(this.#pools())
    this.#prober?.retarget()
  }

  #pools(): readonly ResolvedPool[] {
    return this.#names.pools().map((pool) => this.#loops.admit(this.#discovered.fill(pool), this.#listeners))
  }
}
