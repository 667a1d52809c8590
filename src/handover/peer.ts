import { fstatSync } from 'node:fs'
import type { Server, Socket } from 'node:net'
import { Fd } from '../linux/fd.ts'
import type { Credentials, Libc } from '../linux/libc.ts'
import { unixPeerInode } from '../linux/unix-peer.ts'

/** Who may hand sockets to us or take ours: our own user, and root, who could take them anyway. */
export function isTrusted(peer: Credentials, ownUid: number): boolean {
  return peer.uid === ownUid || peer.uid === 0
}

/** `pid 1234, uid 64080`. */
export function describePeer({ pid, uid }: Credentials): string {
  return `${pid === 0 ? 'a process of another PID namespace' : `pid ${pid}`}, uid ${uid}`
}

/**
 * The descriptor of a node:net socket or server, which stays its owner's: not to be closed. Node has no
 * public way to get it, and descriptors cannot be sent without it. Throws when this Node keeps it elsewhere,
 * so that a new release fails its first test.
 */
export function descriptorOf(socket: Socket | Server): Fd {
  const handle: unknown = Reflect.get(socket, '_handle')
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined
  if (typeof fd === 'number' && fd >= 0) return new Fd(fd)
  throw new Error(`Node ${process.version} does not show a socket's descriptor: the hand-over knows Node 26`)
}

/** Who is at the other end of a node:net socket; a negative errno when it has gone. */
export function credentialsOf(libc: Libc, socket: Socket): Credentials | number {
  return libc.peerCredentials(descriptorOf(socket))
}

/** The two sockets of a conversation, by inode: the same for both sides, and for no other conversation. */
export interface Ends {
  readonly own: number
  readonly other: number
}

/** null: the kernel does not tell, or the other end has gone. */
export function endsOf(libc: Libc, fd: Fd): Ends | null {
  const own = fstatSync(fd.n).ino
  const other = unixPeerInode(libc, own)
  return other === null || other === 0 ? null : { own, other }
}
