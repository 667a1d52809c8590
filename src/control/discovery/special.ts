import type { SocketAddress } from '../../core/address.ts'

/**
 * What an address is that no other host can have, or that is no host at all; null for every other address. A discovered
 * address of this kind would lead into the host's own network, where this process lives: 127.0.0.1:6443 is an API server.
 */
export function specialKind({
  family,
  bytes,
}: SocketAddress): 'unspecified' | 'loopback' | 'link-local' | 'multicast' | null {
  const [first = 0, second = 0] = bytes
  if (family === 4) {
    if (first === 0) return 'unspecified' // RFC 1122 section 3.2.1.3: 0.0.0.0/8 is this host
    if (first === 127) return 'loopback'
    if (first === 169 && second === 254) return 'link-local'
    return first >= 224 ? 'multicast' : null // with 240/4 and the broadcast address
  }
  if (bytes.subarray(0, 15).every((byte) => byte === 0)) {
    if (bytes[15] === 0) return 'unspecified'
    if (bytes[15] === 1) return 'loopback'
  }
  if (first === 0xfe && (second & 0xc0) === 0x80) return 'link-local'
  return first === 0xff ? 'multicast' : null
}
