import { isDeepStrictEqual } from 'node:util'
import type { Config } from '../config/config.ts'
import type { DiscoveryStatus } from '../core/status.ts'
import type { OpenSource, SourceRequest } from './open-source.ts'
import { PoolSource } from './pool-source.ts'
import type { ResolvedPool } from './resolved-pool.ts'
import type { SourceDeps } from './source.ts'

interface Running {
  readonly request: SourceRequest
  readonly source: PoolSource
}

/** The sources of all pools whose endpoints are discovered. */
export class Discovered {
  readonly #open: OpenSource
  readonly #deps: SourceDeps
  #running: ReadonlyMap<string, Running> = new Map()

  constructor(open: OpenSource, deps: SourceDeps) {
    this.#open = open
    this.#deps = deps
  }

  /**
   * Takes a new configuration. A source whose configuration stays goes on. A pool that gets another one keeps
   * the endpoints that it has in `before`, listed or found, until the new source has an answer.
   */
  update({ pools, kubernetes }: Pick<Config, 'pools' | 'kubernetes'>, before: readonly ResolvedPool[]): void {
    const running = new Map<string, Running>()
    for (const { name, discovery } of pools) {
      if (discovery === null) continue
      const request = { pool: name, discovery, kubernetes }
      const known = this.#running.get(name)
      if (known !== undefined && isSame(known.request, request)) running.set(name, known)
      else {
        const endpoints = before.find(({ config }) => config.name === name)?.endpoints ?? []
        running.set(name, { request, source: new PoolSource(request, endpoints, this.#open, this.#deps) })
      }
    }
    for (const [name, known] of this.#running) if (running.get(name) !== known) known.source.stop()
    this.#running = running
  }

  /** `pool` with what its source knows now; as it is when its endpoints are listed. */
  fill(pool: ResolvedPool): ResolvedPool {
    const source = this.#running.get(pool.config.name)?.source
    if (source === undefined) return pool
    return { ...pool, endpoints: source.endpoints, unresolved: source.unresolved }
  }

  /**
   * Resolves when every source has had a first answer or failure. Never rejects; the caller bounds the wait.
   */
  async first(): Promise<void> {
    await Promise.all(this.#running.values().map(({ source }) => source.first))
  }

  /** How the source of a pool is; null: its endpoints are listed. */
  status(pool: string): DiscoveryStatus | null {
    return this.#running.get(pool)?.source.status() ?? null
  }

  /** Ends all sources; the callback is not called any more. */
  stop(): void {
    for (const { source } of this.#running.values()) source.stop()
    this.#running = new Map()
  }
}

/** What all Kubernetes pools share matters to no other. */
function isSame(a: SourceRequest, b: SourceRequest): boolean {
  if (!isDeepStrictEqual(a.discovery, b.discovery)) return false
  return a.discovery.kind !== 'kubernetes' || isDeepStrictEqual(a.kubernetes, b.kubernetes)
}
