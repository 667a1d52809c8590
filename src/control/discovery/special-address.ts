import type { SocketAddress } from '../../core/address.ts'

export type Special = 'unspecified' | 'loopback' | 'link-local' | 'multicast' | 'broadcast'

/**
 * What is special about an address, or null. The program runs in the host's network, so an address of these kinds that
 * somebody else wrote into a record would lead to what only the host itself may reach.
 */
export function specialOf({ family, bytes }: Pick<SocketAddress, 'family' | 'bytes'>): Special | null {
  if (family === 4) return specialIpv4(bytes)
  // ::ffff:0:0/96, RFC 4291 section 2.5.5.2: the kernel connects to the IPv4 address in it.
  if (beginsWith(bytes, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff])) return specialIpv4(bytes.subarray(12))
  const [a = 0, b = 0] = bytes
  if (a === 0xff) return 'multicast'
  if (a === 0xfe && (b & 0xc0) === 0x80) return 'link-local' // fe80::/10, RFC 4291 section 2.4
  if (!beginsWith(bytes, new Array(15).fill(0))) return null
  if (bytes[15] === 0) return 'unspecified'
  return bytes[15] === 1 ? 'loopback' : null
}

/** RFC 6890 section 2.2.2; Linux takes 0.0.0.0 for this host. */
function specialIpv4(bytes: Uint8Array): Special | null {
  const [a = 0, b = 0] = bytes
  if (a === 0) return 'unspecified'
  if (a === 127) return 'loopback'
  if (a === 169 && b === 254) return 'link-local'
  if (a >= 224 && a < 240) return 'multicast'
  return bytes.every((byte) => byte === 255) ? 'broadcast' : null
}

function beginsWith(bytes: Uint8Array, start: readonly number[]): boolean {
  return start.every((byte, at) => bytes[at] === byte)
}
