import type { EndpointSnapshot, PoolSnapshot } from '../core/snapshot.ts'
import { sourceFor } from '../core/source-address.ts'
import type { Cancel, Dialed, Plane, Wire } from '../plane/plane.ts'

interface DialContext<W extends Wire> {
  readonly plane: Plane<W>
  /** Whose turn it is; counts up. */
  readonly nextSource: () => number
}

/** Plane.dial to an endpoint as its pool has it: from the source address whose turn it is. Every dial of a worker is made here. */
export function dialEndpoint<W extends Wire>(
  { plane, nextSource }: DialContext<W>,
  { name, connect }: PoolSnapshot,
  { address }: EndpointSnapshot,
  forClient: boolean,
  done: (result: Dialed<W>) => void,
): Cancel {
  const source = sourceFor(connect.source, address.family, nextSource)
  return plane.dial(address, { source, group: name, forClient }, done)
}
