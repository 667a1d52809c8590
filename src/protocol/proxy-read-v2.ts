import { type SocketAddress, unmapped } from '../core/address.ts'
import { malformed, needs, noTlvs, type ProxyEnds, type ProxyRead } from './proxy-found.ts'
import { tlvFault } from './proxy-tlv.ts'

/** Section 2.2. */
export const v2Signature = Uint8Array.of(
  0x0d,
  0x0a,
  0x0d,
  0x0a,
  0x00,
  0x0d,
  0x0a,
  0x51,
  0x55,
  0x49,
  0x54,
  0x0a,
)
/** Signature, command, family, and the length of what follows. */
export const headBytes = 16
/**
 * Of a whole header. The specification allows 64 KiB; a client's certificate has one or two, and nothing that
 * precedes a dial may have more than this.
 */
export const maxHeaderBytes = 16 * 1024

/** Bytes of the address block, by the upper half of the family byte: UNSPEC, INET, INET6, UNIX. */
const blockBytes = [0, 12, 36, 216] as const

/** Reads a header that begins with v2Signature and has a byte more. */
export function readProxyV2(bytes: Uint8Array): ProxyRead {
  const at = v2Signature.length
  const command = bytes[at] ?? 0
  const family = bytes[at + 1] ?? 0
  if (command >> 4 !== 2) return malformed('version')
  if ((command & 0x0f) > 1) return malformed('command')
  const isLocal = (command & 0x0f) === 0
  if (bytes.length > at + 1 && !isLocal && !isFamily(family)) return malformed('family')
  if (bytes.length < headBytes) return needs(headBytes)
  const length = headBytes + (((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0))
  const block = isLocal ? 0 : (blockBytes[family >> 4] ?? 0)
  if (length < headBytes + block) return malformed('too-short')
  if (length > maxHeaderBytes) return malformed('too-long')
  if (bytes.length < length) return needs(length)
  const header = bytes.subarray(0, length)
  return isLocal ? readLocal(header, family) : readProxied(header, family, headBytes + block)
}

/**
 * Those that section 2.2 lists, and UNSPEC with any transport. An IP family without a transport could be read
 * only by guessing where its block ends.
 */
function isFamily(family: number): boolean {
  const transport = family & 0x0f
  return family >> 4 === 0 ? transport <= 2 : family >> 4 <= 3 && (transport === 1 || transport === 2)
}

/**
 * Must be accepted, whatever family it names and whatever follows. HAProxy sends TLVs in one without a
 * family, for a client that has no IP address; what can be read as TLVs is kept, and then its checksum
 * counts.
 */
function readLocal(header: Uint8Array, family: number): ProxyRead {
  const fault = family === 0 ? tlvFault(header, headBytes) : 'tlv'
  if (fault === 'checksum') return malformed(fault)
  const tlvs = fault === null ? copyFrom(header, headBytes) : noTlvs
  return { kind: 'found', version: 2, length: header.length, command: 'local', ends: null, tlvs }
}

function readProxied(header: Uint8Array, family: number, tlvsAt: number): ProxyRead {
  const fault = tlvFault(header, tlvsAt)
  if (fault !== null) return malformed(fault)
  const tlvs = copyFrom(header, tlvsAt)
  const ends = endsOf(header, family)
  return { kind: 'found', version: 2, length: header.length, command: 'proxy', ends, tlvs }
}

/**
 * A client that came over UDP is named like any other, as Envoy does: lists and limits must see it. Falling
 * back to "no address", which the specification allows, would let it past them.
 */
function endsOf(header: Uint8Array, family: number): ProxyEnds | null {
  switch (family >> 4) {
    case 1:
      return { source: endAt(header, 16, 4, 24), destination: endAt(header, 20, 4, 26) }
    case 2:
      return { source: endAt(header, 16, 16, 48), destination: endAt(header, 32, 16, 50) }
    default:
      return null
  }
}

function endAt(header: Uint8Array, ipAt: number, ipBytes: 4 | 16, portAt: number): SocketAddress {
  const port = ((header[portAt] ?? 0) << 8) | (header[portAt + 1] ?? 0)
  return { ...unmapped(Uint8Array.from(header.subarray(ipAt, ipAt + ipBytes))), port }
}

/** A copy: slice() of a Buffer is none. */
function copyFrom(header: Uint8Array, at: number): Uint8Array {
  return at === header.length ? noTlvs : Uint8Array.from(header.subarray(at))
}
