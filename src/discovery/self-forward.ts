import type { Config, ListenerConfig } from '../config/config.ts'
import { poolsOf } from '../config/listener-pools.ts'
import { formatIp, joinHostPort, parseIp } from '../core/address.ts'
import type { Log } from '../core/log.ts'
import type { ResolvedPool } from './resolved-pool.ts'

/**
 * Which endpoint is one of this program's own listeners, in words, or null. Every connection to it would come
 * back for ever. The configuration alone shows this for loopback; here it is asked for the addresses that
 * this host has.
 */
export function selfForward(config: Config, hostAddresses: readonly string[]): string | null {
  const own = new Set(hostAddresses.map(canonical))
  for (const pool of config.pools) {
    const listeners = config.listeners.filter((listener) => poolsOf(listener).includes(pool.name))
    for (const endpoint of pool.endpoints) {
      if ('unix' in endpoint) continue
      const { host, port } = endpoint
      const hit = listenerAt(listeners, host, port, own)
      if (hit !== undefined) {
        return (
          `error: pool ${pool.name}: endpoint ${joinHostPort(host, port)} is an address of this host, where listener ` +
          `${hit.name} (${joinHostPort(hit.host, hit.port)}) accepts it: every connection would come back for ever\n` +
          " = name the gateway's own port, or let the listener listen on another address"
        )
      }
    }
  }
  return null
}

/**
 * Takes endpoints out of a pool that lead back to one of its listeners, for those that names and sources
 * found while the program runs. Each is said once.
 */
export class LoopGuard {
  readonly #hostAddresses: () => readonly string[]
  readonly #log: Log
  readonly #told = new Set<string>()

  constructor(hostAddresses: () => readonly string[], log: Log) {
    this.#hostAddresses = hostAddresses
    this.#log = log
  }

  admit(pool: ResolvedPool, all: readonly ListenerConfig[]): ResolvedPool {
    const { name } = pool.config
    const listeners = all.filter((listener) => poolsOf(listener).includes(name))
    const ports = new Set(listeners.map(({ port }) => port))
    if (!pool.endpoints.some(({ address }) => address.family !== 'unix' && ports.has(address.port)))
      return pool
    const own = new Set(this.#hostAddresses().map(canonical))
    const endpoints = pool.endpoints.filter(({ id, address }) => {
      if (address.family === 'unix') return true
      const hit = listenerAt(listeners, formatIp(address), address.port, own)
      if (hit !== undefined) this.#tell(name, id, hit)
      return hit === undefined
    })
    return { ...pool, endpoints }
  }

  #tell(pool: string, endpoint: string, listener: ListenerConfig): void {
    const key = `${pool} ${endpoint}`
    if (this.#told.has(key) || this.#told.size >= maxTold) return
    this.#told.add(key)
    this.#log.warn(
      { pool, endpoint, listener: listener.name },
      `pool ${pool}: endpoint ${endpoint} is left out: it is an address of this host, where listener ${listener.name} accepts it, so every connection would come back for ever`,
    )
  }
}

/** Anyone who can write one record can write many. */
const maxTold = 100

function listenerAt(
  listeners: readonly ListenerConfig[],
  host: string,
  port: number,
  own: ReadonlySet<string>,
): ListenerConfig | undefined {
  const address = canonical(host)
  return listeners.find(
    (listener) => listener.port === port && (accepts(listener, address) ?? own.has(address)),
  )
}

/**
 * Whether a listener on one address accepts connections to `address`; undefined: it accepts those to any of
 * the host's.
 */
function accepts(listener: ListenerConfig, address: string): boolean | undefined {
  const wildcard = listener.host === '::' || listener.host === '0.0.0.0'
  return wildcard ? undefined : canonical(listener.host) === address
}

/** One spelling for each address; names stay as they are. */
function canonical(host: string): string {
  const parsed = parseIp(host)
  return parsed === undefined ? host : `${parsed.family} ${parsed.bytes.join('.')}`
}
