import { parseIp } from '../core/address.ts'
import type { HostPort } from './host-port.ts'

/**
 * Whether two listening addresses claim a common one, so that only one of them can be bound. Port 0 never
 * collides.
 */
export function overlaps(a: HostPort, b: HostPort): boolean {
  return a.port === b.port && a.port !== 0 && (covers(a.host, b.host) || covers(b.host, a.host))
}

/**
 * Whether a connection to `endpoint` from this machine arrives at `listener`, as far as the text tells: the
 * machine's own addresses are not looked up, nor are names other than localhost.
 */
export function arrivesAt(endpoint: HostPort, listener: HostPort): boolean {
  if (endpoint.port !== listener.port) return false
  return loopbacks(endpoint.host).some(
    (host) => covers(listener.host, host) && (isLocal(host) || host === listener.host),
  )
}

/** `::` is dual-stack here. */
function covers(host: string, other: string): boolean {
  return host === other || host === '::' || (host === '0.0.0.0' && parseIp(other)?.family === 4)
}

/** What a connection to `host` is sent to: the kernel takes the wildcard for loopback. */
function loopbacks(host: string): readonly string[] {
  if (host === '0.0.0.0') return ['127.0.0.1']
  if (host === '::') return ['::1']
  // RFC 6761 section 6.3: the names below localhost are loopback too.
  return /(^|\.)localhost\.?$/.test(host) ? ['127.0.0.1', '::1'] : [host]
}

function isLocal(host: string): boolean {
  const ip = parseIp(host)
  if (ip === undefined) return false
  return ip.family === 4 ? ip.bytes[0] === 127 : host === '::1'
}
