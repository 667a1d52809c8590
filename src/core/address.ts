import { isIPv4, isIPv6 } from 'node:net'

/** An IP address and port. `bytes` are 4 or 16 in network order; text is made only when someone prints it. */
export interface SocketAddress {
  readonly family: 4 | 6
  readonly bytes: Uint8Array
  /** 0 to 65535. */
  readonly port: number
}

/** A UNIX stream socket of this host: an absolute path, or `@name` in the abstract namespace. */
export interface UnixAddress {
  readonly family: 'unix'
  readonly path: string
}

/** Where an endpoint may be. Clients always have a SocketAddress. */
export type EndpointAddress = SocketAddress | UnixAddress

/**
 * Parses a literal IPv4 or IPv6 address (no brackets, no name). A v4-mapped IPv6 address becomes IPv4: it is
 * the same host, and every log line, hash and PROXY header must agree on that. A zone (`%eth0`) is dropped.
 * Returns undefined when `text` is not a literal address.
 */
export function parseIp(text: string): { family: 4 | 6; bytes: Uint8Array } | undefined {
  if (isIPv4(text)) return { family: 4, bytes: parseIpv4(text) }
  if (!isIPv6(text)) return undefined
  const zone = text.indexOf('%')
  return unmapped(parseIpv6(zone === -1 ? text : text.slice(0, zone)))
}

/** An address of 4 or 16 bytes; a v4-mapped one as the IPv4 address that it is. */
export function unmapped(bytes: Uint8Array): { family: 4 | 6; bytes: Uint8Array } {
  if (bytes.length === 4) return { family: 4, bytes }
  return isV4Mapped(bytes) ? { family: 4, bytes: new Uint8Array(bytes.subarray(12)) } : { family: 6, bytes }
}

/** Builds an address from a literal and a port; undefined when `ip` is not a literal address. */
export function socketAddress(ip: string, port: number): SocketAddress | undefined {
  const parsed = parseIp(ip)
  return parsed && { ...parsed, port }
}

/** The address without its port, in the canonical text form of RFC 5952. */
export function formatIp(address: { readonly family: 4 | 6; readonly bytes: Uint8Array }): string {
  return address.family === 4 ? address.bytes.join('.') : formatIpv6(address.bytes)
}

/** `10.0.0.5:9443`, `[2001:db8::5]:9443`, `unix:/run/gateway.sock`. */
export function formatAddress(address: EndpointAddress): string {
  if (address.family === 'unix') return `unix:${address.path}`
  const ip = formatIp(address)
  return address.family === 4 ? `${ip}:${address.port}` : `[${ip}]:${address.port}`
}

/** Joins a host (name or literal) and a port the way people write it: a literal IPv6 gets brackets. */
export function joinHostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/**
 * Written by hand because split() and Uint8Array.from() took nine times as long (0.7 µs), and an address is
 * parsed for every connection that is logged.
 */
function parseIpv4(text: string): Uint8Array {
  const bytes = new Uint8Array(4)
  let at = 0
  let value = 0
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - zero
    if (digit >= 0) value = value * 10 + digit
    else {
      bytes[at++] = value // a dot
      value = 0
    }
  }
  bytes[at] = value
  return bytes
}

const zero = 48

function parseIpv6(text: string): Uint8Array {
  const bytes = new Uint8Array(16)
  const [head = '', tail] = text.split('::')
  const front = groups(head)
  bytes.set(front, 0)
  if (tail !== undefined) {
    const back = groups(tail)
    bytes.set(back, 16 - back.length)
  }
  return bytes
}

function groups(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return [...parseIpv4(group)]
    const value = Number.parseInt(group, 16)
    return [value >> 8, value & 0xff]
  })
}

/** ::ffff:0:0/96, RFC 4291 section 2.5.5.2. */
function isV4Mapped(bytes: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return false
  return bytes[10] === 0xff && bytes[11] === 0xff
}

function formatIpv6(bytes: Uint8Array): string {
  const words: number[] = []
  for (let i = 0; i < 16; i += 2) words.push(((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0))
  let best = { at: -1, length: 1 } // RFC 5952 section 4.2.2: a single zero group is not shortened
  for (let i = 0; i < 8; i++) {
    let end = i
    while (end < 8 && words[end] === 0) end++
    if (end - i > best.length) best = { at: i, length: end - i }
    i = Math.max(i, end - 1)
  }
  const hex = words.map((word) => word.toString(16))
  if (best.at === -1) return hex.join(':')
  return `${hex.slice(0, best.at).join(':')}::${hex.slice(best.at + best.length).join(':')}`
}
