import type { Credentials } from '../linux/libc.ts'

/**
 * Whether the process at the other end may have the sockets of live clients; null: it may, otherwise why not.
 * Root could take them anyway.
 */
export function mayTakeSessions(peer: Credentials | null, uid: number): string | null {
  if (peer === null) return 'the kernel cannot say who asks for them'
  return peer.uid === uid || peer.uid === 0 ? null : `uid ${peer.uid} is neither ours nor root's`
}
