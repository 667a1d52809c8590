import type { SocketAddress } from '../core/address.ts'

/** A connection's two ends in one address family, as a PROXY header must name them. */
export interface AddressPair {
  readonly family: 4 | 6
  readonly source: SocketAddress
  readonly destination: SocketAddress
}

/**
 * Both ends in one family: as they are when they agree, else the IPv4 one as v4-mapped IPv6
 * (`::ffff:192.0.2.1`). A header without addresses would be the alternative, and would hide a client that is
 * known.
 */
export function addressPair(client: SocketAddress, local: SocketAddress): AddressPair {
  if (client.family === local.family) return { family: client.family, source: client, destination: local }
  return { family: 6, source: asIpv6(client), destination: asIpv6(local) }
}

/** RFC 4291 section 2.5.5.2. */
function asIpv6(address: SocketAddress): SocketAddress {
  if (address.family === 6) return address
  const bytes = new Uint8Array(16)
  bytes[10] = 0xff
  bytes[11] = 0xff
  bytes.set(address.bytes, 12)
  return { family: 6, bytes, port: address.port }
}
