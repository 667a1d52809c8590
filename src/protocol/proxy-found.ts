import type { SocketAddress } from '../core/address.ts'

/** What the first bytes of a connection are, read as a PROXY header. */
export type ProxyRead =
  | ProxyHeader
  /** They cannot begin a header. */
  | { readonly kind: 'notThis' }
  /**
   * They begin one. `needs`: bytes from the beginning of the connection without which the next look is in
   * vain.
   */
  | { readonly kind: 'incomplete'; readonly needs: number }
  /** They begin one that is not as the specification wants it. */
  | { readonly kind: 'malformed'; readonly reason: ProxyFault }

export interface ProxyHeader {
  readonly kind: 'found'
  readonly version: 1 | 2
  /** Bytes of the header; what follows is the client's. */
  readonly length: number
  /**
   * `local`: nobody's connection but the sender's own (LOCAL, and UNKNOWN of v1): its ends are those of the
   * socket.
   */
  readonly command: 'local' | 'proxy'
  /** null: the header names nobody (a `local` one, UNSPEC, UNIX). */
  readonly ends: ProxyEnds | null
  /** Checked, as they came, the checksum included; empty: there are none. A copy. */
  readonly tlvs: Uint8Array
}

/** v4-mapped addresses are IPv4 here, so the two may be of different families. */
export interface ProxyEnds {
  readonly source: SocketAddress
  readonly destination: SocketAddress
}

/** What can be wrong with a header; stable words. */
export const proxyFaults = [
  // v1: a CR or LF that is no CRLF; no CRLF within 107 bytes; then the parts of the line.
  'line-end',
  'line-too-long',
  'protocol',
  'fields',
  'address',
  'port',
  // v2: the fields of its head, the address block, and TLVs.
  'version',
  'command',
  'family',
  'too-long',
  'too-short',
  'tlv',
  'checksum',
  'unique-id',
  'authority',
  'ssl',
] as const
export type ProxyFault = (typeof proxyFaults)[number]

export const notProxy: ProxyRead = { kind: 'notThis' }
export const noTlvs = new Uint8Array(0)

export function needs(count: number): ProxyRead {
  return { kind: 'incomplete', needs: count }
}

export function malformed(reason: ProxyFault): ProxyRead {
  return { kind: 'malformed', reason }
}
