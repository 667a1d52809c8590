import { formatAddress, type SocketAddress } from '../core/address.ts'
import type { PoolSnapshot } from '../core/snapshot.ts'
import type { Wire } from '../plane/plane.ts'
import type { ProxyHeader } from '../protocol/proxy-found.ts'
import { proxyHeader, unknownHeader } from '../protocol/proxy-header.ts'

/**
 * What the endpoint reads ahead of the client's bytes; null: nothing. `received`: what the client's own peer
 * has said of it, which goes on.
 */
export function headerOut(
  { proxyProtocol }: PoolSnapshot,
  client: SocketAddress,
  downstream: Wire,
  id: string,
  received: ProxyHeader | null,
): Uint8Array | null {
  if (proxyProtocol === 'off') return null
  const { local } = downstream // with the client's, two system calls
  if (received === null) return proxyHeader(proxyProtocol, client, local, id)
  const { command, ends, tlvs } = received
  if (ends !== null) return proxyHeader(proxyProtocol, ends.source, ends.destination, id, tlvs)
  if (command === 'local') return proxyHeader(proxyProtocol, client, local, id, tlvs)
  return unknownHeader(proxyProtocol, id, tlvs)
}

/** Who the client is, in a line of the log; `unknown`: a header has said that there is one, and not who. */
export function clientText(client: SocketAddress, header: ProxyHeader | null): string {
  return clientName(client, isNobody(header))
}

/** A header has said that there is a client, and not who. */
export function isNobody(header: ProxyHeader | null): boolean {
  return header !== null && header.ends === null && header.command === 'proxy'
}

export function clientName(client: SocketAddress, nobody: boolean): string {
  return nobody ? 'unknown' : formatAddress(client)
}
