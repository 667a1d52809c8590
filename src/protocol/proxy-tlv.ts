import { crc32c } from './crc32c.ts'
import type { ProxyFault } from './proxy-found.ts'
import { latin1, serverName } from './server-name.ts'

/** Section 2.2 of the PROXY protocol, which calls them PP2_TYPE_…. */
export const tlvType = {
  alpn: 0x01,
  authority: 0x02,
  crc32c: 0x03,
  noop: 0x04,
  uniqueId: 0x05,
  ssl: 0x20,
} as const
/** Type and length. */
export const tlvHeadBytes = 3
/** Section 2.2.5. */
export const maxUniqueIdBytes = 128
/** The specification has no limit; a name of DNS is shorter, and HAProxy refuses longer ones. */
const maxAuthorityBytes = 255
/** `client` and `verify` of struct pp2_tlv_ssl, ahead of its own TLVs. */
const sslHeadBytes = 5

/**
 * What is wrong with the TLVs of a header from `from` to its end, or null. They fill their space exactly, no
 * value has a length that its type cannot have, and a checksum is the header's.
 */
export function tlvFault(header: Uint8Array, from: number): ProxyFault | null {
  let checksumAt = -1
  let at = from
  while (at < header.length) {
    const end = tlvEnd(header, at)
    if (end > header.length) return 'tlv'
    const length = end - at - tlvHeadBytes
    switch (header[at]) {
      case tlvType.crc32c:
        if (length !== 4 || checksumAt !== -1) return 'checksum'
        checksumAt = at + tlvHeadBytes
        break
      case tlvType.uniqueId:
        if (length > maxUniqueIdBytes) return 'unique-id'
        break
      case tlvType.authority:
        if (length > maxAuthorityBytes) return 'authority'
        break
      case tlvType.ssl:
        if (!isSsl(header.subarray(at + tlvHeadBytes, end))) return 'ssl'
        break
    }
    at = end
  }
  if (checksumAt === -1) return null
  return crc32c(header, checksumAt) === uint32(header, checksumAt) ? null : 'checksum'
}

/** Where the value of the first TLV of a type begins, in TLVs that were checked; -1: there is none. */
export function valueAt(tlvs: Uint8Array, type: number): number {
  for (let at = 0; at < tlvs.length; at = tlvEnd(tlvs, at)) if (tlvs[at] === type) return at + tlvHeadBytes
  return -1
}

/** The value of the first TLV of a type, in TLVs that were checked: a later one never replaces it. */
export function tlvValue(tlvs: Uint8Array, type: number): Uint8Array | null {
  const at = valueAt(tlvs, type)
  return at === -1 ? null : tlvs.subarray(at, tlvEnd(tlvs, at - tlvHeadBytes))
}

/** The host name that the balancer's client asked for, as a server name; null: it says none. */
export function authorityOf(tlvs: Uint8Array): string | null {
  const value = tlvValue(tlvs, tlvType.authority)
  return value === null ? null : serverName(value)
}

/**
 * The application protocols that the balancer says. HAProxy sends the one that it agreed on with the client,
 * others the list of the TLS extension; section 2.2.1 allows both. What reads as a list to its end is one: a
 * protocol's name does not begin with its own length.
 */
export function alpnOf(tlvs: Uint8Array): readonly string[] {
  const value = tlvValue(tlvs, tlvType.alpn)
  if (value === null || value.length === 0) return []
  return protocolNames(value) ?? [latin1(value)]
}

/**
 * ProtocolNameList of RFC 7301 without its length: names of 1 to 255 bytes, at least one. null: it is none.
 */
export function protocolNames(list: Uint8Array): string[] | null {
  const names: string[] = []
  for (let at = 0; at < list.length; ) {
    const end = at + 1 + (list[at] ?? 0)
    if (end === at + 1 || end > list.length) return null
    names.push(latin1(list.subarray(at + 1, end)))
    at = end
  }
  return names.length === 0 ? null : names
}

/** Behind the space's end when even type and length do not fit. */
function tlvEnd(space: Uint8Array, at: number): number {
  return at + tlvHeadBytes + (((space[at + 1] ?? 0) << 8) | (space[at + 2] ?? 0))
}

/** Its own TLVs fill it; what they say is not for us to judge, and passed on as it is. */
function isSsl(value: Uint8Array): boolean {
  if (value.length < sslHeadBytes) return false
  let at = sslHeadBytes
  while (at < value.length) at = tlvEnd(value, at)
  return at === value.length
}

function uint32(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
  return ((high << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0
}
