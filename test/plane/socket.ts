import { readFileSync } from 'node:fs'
import { IPPROTO_TCP, MSG_PEEK } from '../../src/linux/constants.ts'
import { Fd } from '../../src/linux/fd.ts'
import type { Libc } from '../../src/linux/libc.ts'
import { loadLibc } from '../../src/linux/load-libc.ts'
import { handleOf } from '../../src/plane/net/handle.ts'
import type { Peer } from '../helpers/peer.ts'

/** What a test does with a peer's descriptor, and how the kernel sees it. Needs koffi. */

/** send(MSG_OOB). */
export function sendUrgent(peer: Peer, byte: string): void {
  const msgOob = 1
  send(peer, byte, msgOob)
}

/** send() past Node, which drops what it has read and not handed out when one of its own fails. */
export function sendPast(peer: Peer, text: string): void {
  send(peer, text, 0)
}

function send(peer: Peer, text: string, flags: number): void {
  const { libc, fd } = descriptorOf(peer)
  const block = libc.block(Buffer.byteLength(text))
  block.bytes.write(text)
  libc.send(fd, block, 0, block.size, flags)
}

/** TCP_CORK: what is written next leaves with the FIN that follows it, in one segment. */
export function holdBack(peer: Peer): void {
  const { libc, fd } = descriptorOf(peer)
  const tcpCork = 3
  libc.setOption(fd, IPPROTO_TCP, tcpCork, 1)
}

/** Bytes of this peer that the other end's kernel does not have yet. */
export function unacknowledged(peer: Peer): number {
  const { libc, fd } = descriptorOf(peer)
  return peer.socket.writableLength + libc.unacknowledged(fd.n)
}

/** Bytes wait in its kernel that Node has not read. */
export function hasUnread(peer: Peer): boolean {
  const { libc, fd } = descriptorOf(peer)
  return libc.recv(fd, libc.block(1), 0, 1, MSG_PEEK) > 0
}

function descriptorOf({ socket }: Peer): { libc: Libc; fd: Fd } {
  const loaded = loadLibc()
  const handle = handleOf(socket)
  if (loaded.kind === 'missing') throw new Error(loaded.reason)
  if (handle === undefined) throw new Error('the socket is closed')
  return { libc: loaded.libc, fd: new Fd(handle.fd) }
}

/** Values of the column `st` of /proc/net/tcp. */
export const tcpState = { established: 1, synSent: 2, closeWait: 8 } as const

/** A line of /proc/net/tcp. */
export interface TcpRow {
  readonly localPort: number
  readonly state: number
  readonly unreadBytes: number
  readonly timer: number
}

/** The kernel's view of a connection; undefined when it has none, or has given it up after a reset. */
export function tcpRow(localPort: number, remotePort: number): TcpRow | undefined {
  return tcpRows(remotePort).find((row) => row.localPort === localPort)
}

/** All sockets of IPv4 that are connected, or being connected, to or from `port`. */
export function tcpRows(port: number, from: 'to' | 'from' = 'to'): TcpRow[] {
  const table = readFileSync('/proc/net/tcp', 'latin1')
  // Thousands of connections that others have left in TIME_WAIT are in it: only rows that have the port are taken apart.
  const end = `:${port.toString(16).toUpperCase().padStart(4, '0')} `
  const rows: TcpRow[] = []
  for (let at = table.indexOf(end); at >= 0; at = table.indexOf(end, at + 1)) {
    const line = table.slice(table.lastIndexOf('\n', at) + 1, table.indexOf('\n', at))
    const [, local = '', remote = '', state = '', queues = '', timer = ''] = line.trim().split(/\s+/)
    if (!`${from === 'to' ? remote : local} `.endsWith(end)) continue
    rows.push({
      localPort: Number.parseInt(local.split(':')[1] ?? '', 16),
      state: Number.parseInt(state, 16),
      unreadBytes: Number.parseInt(queues.split(':')[1] ?? '', 16),
      timer: Number.parseInt(timer, 16),
    })
  }
  return rows
}
