import type { PoolConfig } from '../config/config.ts'
import type { Tally } from '../core/tally.ts'
import type { After } from './after.ts'
import { getaddrinfo } from './host-lookup.ts'
import type { Log } from './log.ts'
import { Names } from './names.ts'
import type { Prober } from './prober.ts'
import { Registry } from './registry.ts'

/** A start waits this long for names before it listens; a name that comes later is published when it comes. */
const namesMs = 1_000

export interface EndpointsDeps {
  readonly tally: Tally
  readonly log: Log
  readonly after: After
  readonly nowMs: () => number
  /** The endpoints of a pool have changed without a new configuration. */
  readonly changed: () => void
}

/** Who the endpoints are and how they are: names, probes and the registry, kept in step. */
export class Endpoints {
  readonly registry: Registry
  readonly #deps: EndpointsDeps
  readonly #names: Names
  #prober: { readonly prober: Prober; readonly retarget: () => void } | null = null

  constructor(deps: EndpointsDeps) {
    const { tally, log, after, nowMs } = deps
    const random = Math.random
    this.#deps = deps
    this.registry = new Registry({ tally, log, nowMs, random, after })
    this.#names = new Names({
      lookup: getaddrinfo,
      log,
      after,
      nowMs,
      random,
      changed: () => {
        this.#refresh()
        deps.changed()
      },
    })
  }

  /** Takes the first configuration; resolves when its names are known, or have had their time. */
  async begin(pools: readonly PoolConfig[]): Promise<void> {
    this.#names.update(pools)
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = this.#deps.after(namesMs, resolve)
    await Promise.race([this.#names.resolved(), promise])
    cancel()
    this.#refresh()
  }

  /** Takes a new configuration. */
  update(pools: readonly PoolConfig[]): void {
    this.#names.update(pools)
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
    const retarget = (): void => prober.update(probeTargets(this.#names.pools()))
    this.#prober = { prober, retarget }
    retarget()
  }

  stop(): void {
    this.#prober?.prober.stop()
    this.#names.stop()
    this.registry.stop()
  }

  #refresh(): void {
    this.registry.update(this.#names.pools())
    this.#prober?.retarget()
  }
}
