import type { SocketAddress } from '../core/address.ts'
import type { EndpointSnapshot, PoolSnapshot } from '../core/snapshot.ts'
import { sourceFor } from '../core/source-address.ts'
import type { Cancel, Dialed, Plane, Wire } from '../plane/plane.ts'

interface DialContext<W extends Wire> {
  readonly plane: Plane<W>
  /** Whose turn it is; counts up. */
  readonly nextSource: () => number
}

/** Whose dial it is. */
export interface DialFor {
  /** A client waits for it. */
  readonly forClient: boolean
  /** The client, where the connection is to begin at its address; null: it begins at one of this host. */
  readonly from: SocketAddress | null
}

/** `busy`: the backlog of a UNIX socket is full. Told each time; the dial goes on until it is cancelled. */
export type EndpointDialed<W> = Dialed<W> | { readonly kind: 'busy' }

/** How soon a full backlog is asked again; the last one stays. The kernel has no event for a place in it. */
const busyPausesMs = [5, 10, 20] as const

/**
 * Plane.dial to an endpoint as its pool has it: from the client, or the source address whose turn it is.
 * Every dial of a worker is made here.
 */
export function dialEndpoint<W extends Wire>(
  { plane, nextSource }: DialContext<W>,
  { name, connect }: PoolSnapshot,
  { address }: EndpointSnapshot,
  { forClient, from }: DialFor,
  done: (result: EndpointDialed<W>) => void,
): Cancel {
  const source = from ?? sourceFor(connect.source, address.family, nextSource)
  const options = { source, transparent: from !== null, group: name, forClient }
  if (address.family !== 'unix') return plane.dial(address, options, done)
  let tries = 0
  let cancel: Cancel
  const dial = (): void => {
    cancel = plane.dial(address, options, (result) => {
      if (result.kind === 'connected' || result.code !== 'EAGAIN') {
        done(result)
        return
      }
      cancel = plane.after(busyPausesMs[tries++] ?? busyPausesMs[2], dial)
      done({ kind: 'busy' }) // last: it may cancel
    })
  }
  dial()
  return () => cancel()
}
