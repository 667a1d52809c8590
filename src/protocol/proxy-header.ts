import type { SocketAddress } from '../core/address.ts'
import type { ProxyProtocol } from '../core/policy.ts'
import { noTlvs } from './proxy-found.ts'
import { proxyV1, proxyV1Unknown } from './proxy-v1.ts'
import { proxyV2, proxyV2Local, proxyV2Unknown } from './proxy-v2.ts'

export type ProxyVersion = Exclude<ProxyProtocol, 'off'>

/**
 * What an endpoint reads ahead of the client's first byte. `client` is who connected, `local` the address it
 * connected to; `uniqueId` (at most 128 bytes) and `received`, the TLVs of a header that came, are sent in v2
 * only: v1 has no place for them.
 */
export function proxyHeader(
  version: ProxyVersion,
  client: SocketAddress,
  local: SocketAddress,
  uniqueId: string,
  received: Uint8Array = noTlvs,
): Uint8Array {
  switch (version) {
    case 'v1':
      return proxyV1(client, local)
    case 'v2':
      return proxyV2(client, local, uniqueId, received)
  }
}

/** The same for a client that a header announced without an address (UNSPEC, UNIX): it names nobody. */
export function unknownHeader(version: ProxyVersion, uniqueId: string, received: Uint8Array): Uint8Array {
  switch (version) {
    case 'v1':
      return proxyV1Unknown()
    case 'v2':
      return proxyV2Unknown(uniqueId, received)
  }
}

/** The header of a connection of our own, such as a probe: it names no client. */
export function probeHeader(version: ProxyVersion): Uint8Array {
  switch (version) {
    case 'v1':
      return proxyV1Unknown()
    case 'v2':
      return proxyV2Local()
  }
}
