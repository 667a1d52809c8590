import { Fd } from './fd.ts'
import type { Libc } from './libc.ts'

/** struct sockaddr_in6. */
const addressSize = 28

/**
 * Closes what a dead thread has left open, and returns how many. Sockets are reset: their peers must not take
 * the end for a clean one.
 */
export function closeAbandoned(libc: Libc, open: Uint8Array): number {
  let closed = 0
  const peer = libc.block(addressSize)
  for (let n = open.indexOf(1); n !== -1; n = open.indexOf(1, n + 1)) {
    const fd = new Fd(n)
    // Only sockets that have a peer: one that listens, or is about to, is shared with main, and the sockets
    // that it accepts would inherit the option.
    if (libc.getpeername(fd, peer) >= 0) libc.resetOnClose(fd)
    open[n] = 0
    libc.close(fd)
    closed++
  }
  return closed
}
