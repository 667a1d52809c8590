import type { Libc } from '../../linux/libc.ts'
import { whole } from '../../linux/whole.ts'
import type { RelaySockets } from '../plane.ts'
import type { Pump } from './pump.ts'

/**
 * Whether the kernel's counters say the same of what a relay holds as the relay itself, which knows the
 * truth while it moves nothing: each live move tests what is asked of the kernel when nobody knows. null: it
 * says nothing, or what was dropped cannot be told from what is held.
 */
export function countersAgree(
  libc: Libc,
  up: Pump,
  down: Pump,
  ahead: { readonly headerBytes: number; readonly prefaceBytes: number },
): boolean | null {
  const { from: downstream, to: upstream, oursLeft } = up
  if (up.drops || down.drops || downstream.urgent || upstream.urgent) return null
  const told = whole(libc, {
    downstream: downstream.fd,
    upstream: upstream.fd,
    cookies: null,
    prefaceBytes: ahead.prefaceBytes,
    headerBytes: ahead.headerBytes - oursLeft,
  })
  if (told.kind === 'unknown') return null
  return told.up === up.heldBytes - oursLeft && told.down === down.heldBytes
}

/** Who a relay's sockets are, for as long as they are; null: the kernel has no cookies. */
export function cookiesOf(
  libc: Libc,
  { from: downstream, to: upstream }: Pump,
): Omit<RelaySockets, 'headerBytes' | 'prefaceBytes'> | null {
  const [down, up] = [libc.cookie(downstream.fd), libc.cookie(upstream.fd)]
  if (down === null || up === null) return null
  return {
    downstream: downstream.fd.n,
    upstream: upstream.fd.n,
    cookies: { downstream: down, upstream: up },
    places: { downstream: downstream.place, upstream: upstream.place },
  }
}
