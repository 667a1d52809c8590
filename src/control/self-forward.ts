import type { Config, ListenerConfig } from '../config/config.ts'
import { joinHostPort, parseIp } from '../core/address.ts'

/**
 * Which endpoint is one of this program's own listeners, in words, or null. Every connection to it would come back for
 * ever. The configuration alone shows this for loopback; here it is asked for the addresses that this host has.
 */
export function selfForward(config: Config, hostAddresses: readonly string[]): string | null {
  const own = new Set(hostAddresses.map(canonical))
  for (const pool of config.pools) {
    const listeners = config.listeners.filter((listener) => listener.pool === pool.name)
    for (const { host, port } of pool.endpoints) {
      const address = canonical(host)
      const hit = listeners.find(
        (listener) => listener.port === port && (accepts(listener, address) ?? own.has(address)),
      )
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

/** Whether a listener on one address accepts connections to `address`; undefined: it accepts those to any of the host's. */
function accepts(listener: ListenerConfig, address: string): boolean | undefined {
  const wildcard = listener.host === '::' || listener.host === '0.0.0.0'
  return wildcard ? undefined : canonical(listener.host) === address
}

/** One spelling for each address; names stay as they are. */
function canonical(host: string): string {
  const parsed = parseIp(host)
  return parsed === undefined ? host : `${parsed.family} ${parsed.bytes.join('.')}`
}
