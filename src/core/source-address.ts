import { type EndpointAddress, type SocketAddress, socketAddress } from './address.ts'

/**
 * Of `connect.source`, checked when the configuration was read: local addresses, on a port that the kernel
 * chooses.
 */
export function parseSources(literals: readonly string[]): readonly SocketAddress[] {
  return literals.map((literal) => {
    const source = socketAddress(literal, 0)
    if (source === undefined) throw new TypeError(`a source must be a literal IP address, got ${literal}`)
    return source
  })
}

/**
 * The local addresses from which an endpoint of `family` can be connected to. Almost always all or none of
 * them: a socket has one family, and a connection from the other one fails at once. None for a UNIX socket.
 */
export function sourcesFor(
  sources: readonly SocketAddress[],
  family: EndpointAddress['family'],
): readonly SocketAddress[] {
  if (sources.length === 0) return sources
  return sources.filter((source) => source.family === family)
}

/** The one whose turn it is; null: the kernel chooses. `next` counts up with each call. */
export function sourceFor(
  sources: readonly SocketAddress[],
  family: EndpointAddress['family'],
  next: () => number,
): SocketAddress | null {
  if (sources.length === 0) return null
  const fitting = sourcesFor(sources, family)
  return fitting[next() % fitting.length] ?? null
}
