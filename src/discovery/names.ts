import type { EndpointConfig, PoolConfig } from '../config/config.ts'
import { type EndpointAddress, formatAddress, joinHostPort, parseIp, socketAddress } from '../core/address.ts'
import type { EndpointId } from '../core/snapshot.ts'
import { HostLookup, type HostLookupDeps, type Use } from './host-lookup.ts'
import type { ResolvedEndpoint, ResolvedPool, UnresolvedName } from './resolved-pool.ts'

/** Turns the endpoints of the configuration into addresses and keeps the names among them fresh. */
export class Names {
  readonly #deps: HostLookupDeps
  #configs: readonly PoolConfig[] = []
  /** Keyed by host: all pools and ports of one host share a lookup. */
  #lookups: ReadonlyMap<string, HostLookup> = new Map()

  constructor(deps: HostLookupDeps) {
    this.#deps = deps
  }

  /** Takes a new configuration. Names that stay keep their answers; new ones are looked up at once. */
  update(configs: readonly PoolConfig[]): void {
    const lookups = new Map<string, HostLookup>()
    for (const [host, use] of usesOf(configs)) {
      const known = this.#lookups.get(host)
      known?.usedBy(use)
      lookups.set(host, known ?? new HostLookup(host, use, this.#deps))
    }
    for (const [host, lookup] of this.#lookups) if (!lookups.has(host)) lookup.stop()
    this.#lookups = lookups
    this.#configs = configs
  }

  /** The pools in the order of the configuration, with what is known of their names now. */
  pools(): readonly ResolvedPool[] {
    return this.#configs.map((config) => this.#resolve(config))
  }

  /**
   * Resolves when every name has been looked up once, found or not. Never rejects; the caller bounds the
   * wait.
   */
  async resolved(): Promise<void> {
    await Promise.all([...this.#lookups.values()].map((lookup) => lookup.first))
  }

  /** Ends all lookups; the callback is not called any more. */
  stop(): void {
    for (const lookup of this.#lookups.values()) lookup.stop()
    this.#lookups = new Map()
    this.#deps.lookup.stop()
  }

  #resolve(config: PoolConfig): ResolvedPool {
    const literal: ResolvedEndpoint[] = []
    const named: ResolvedEndpoint[] = []
    const unresolved: UnresolvedName[] = []
    for (const entry of config.endpoints) {
      if ('unix' in entry) {
        literal.push(resolvedEndpoint(entry, { family: 'unix', path: entry.unix }, null))
        continue
      }
      const address = socketAddress(entry.host, entry.port)
      if (address !== undefined) {
        literal.push(resolvedEndpoint(entry, address, null))
        continue
      }
      const answer = this.#lookups.get(entry.host)?.answer
      if (answer === undefined) continue
      if (answer.kind === 'none') {
        const { host: name, port, priority, weight } = entry
        const { reason, sinceMs } = answer
        unresolved.push({ endpoint: joinHostPort(name, port), name, priority, weight, reason, sinceMs })
        continue
      }
      for (const ip of answer.addresses) {
        const resolved = socketAddress(ip, entry.port)
        if (resolved !== undefined) named.push(resolvedEndpoint(entry, resolved, entry.host))
      }
    }
    return { config, endpoints: eachOnce([...literal, ...named]), unresolved }
  }
}

/** The names among the endpoints, and the pools that use each. */
function usesOf(configs: readonly PoolConfig[]): ReadonlyMap<string, Use> {
  const pools = new Map<string, Set<PoolConfig>>()
  for (const config of configs) {
    for (const endpoint of config.endpoints) {
      if ('unix' in endpoint || parseIp(endpoint.host) !== undefined) continue
      const { host } = endpoint
      const users = pools.get(host)
      if (users === undefined) pools.set(host, new Set([config]))
      else users.add(config)
    }
  }
  return new Map(
    [...pools].map(([host, users]) => {
      const refreshMs = Math.min(...[...users].map((config) => config.refreshMs))
      return [host, { pools: [...users].map(({ name }) => name).sort(), refreshMs }]
    }),
  )
}

function resolvedEndpoint(
  entry: EndpointConfig,
  address: EndpointAddress,
  name: string | null,
): ResolvedEndpoint {
  const { priority, weight, maxConnections } = entry
  return { id: formatAddress(address) as EndpointId, address, name, priority, weight, maxConnections }
}

function eachOnce(endpoints: readonly ResolvedEndpoint[]): readonly ResolvedEndpoint[] {
  const byId = new Map<EndpointId, ResolvedEndpoint>()
  for (const endpoint of endpoints) if (!byId.has(endpoint.id)) byId.set(endpoint.id, endpoint)
  return [...byId.values()]
}
