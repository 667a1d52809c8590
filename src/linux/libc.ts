import type { TcpView } from '../core/tcp-view.ts'
import type { Block } from './block.ts'
import { errnoName } from './errno.ts'
import type { Fd, PipeEnd } from './fd.ts'
import type { TcpCounters } from './tcp-info.ts'

/**
 * The system calls that Node does not offer, or not without a stream around them. Results are zero or more,
 * or a negative errno; nothing throws but a RangeError for memory outside a Block. Descriptors are
 * non-blocking and close-on-exec.
 */
export interface Libc {
  block(size: number): Block

  /** A stream socket: IPv4, IPv6 or UNIX. */
  socket(family: 4 | 6 | 'unix'): Fd | number
  bind(fd: Fd, address: Block, length: number): number
  connect(fd: Fd, address: Block, length: number): number
  listen(fd: Fd, backlog: number): number
  /** The peer's address goes into `address`. */
  accept(fd: Fd, address: Block): Fd | number
  /** Returns the length of the whole address; `address` holds as much of it as fits. */
  getsockname(fd: Fd, address: Block): number
  getpeername(fd: Fd, address: Block): number
  recv(fd: Fd, block: Block, offset: number, length: number, flags: number): number
  send(fd: Fd, block: Block, offset: number, length: number, flags: number): number
  /** Sends all of `message` to the UNIX datagram socket that `address` names (a whole sockaddr_un). */
  sendUnixDatagram(address: Block, message: Block): number
  /**
   * Two connected UNIX sockets of whole messages (SOCK_SEQPACKET). `theirs` is not marked as this thread's:
   * it is made to be sent.
   */
  messagePair(): { readonly ours: Fd; readonly theirs: Fd } | number
  /**
   * Sends bytes over a UNIX socket, and with the first of them duplicates of `descriptors`: one to
   * mostDescriptors, or EINVAL. ETOOMANYREFS: as many descriptors are already under way, in sockets that
   * nobody has read, as this process may have open.
   */
  sendDescriptors(
    fd: Fd,
    block: Block,
    offset: number,
    length: number,
    descriptors: readonly number[],
  ): number
  /**
   * As recv, with the descriptors that came along: they are the caller's to close, close-on-exec, blocking or
   * not as the sender had them. EBADMSG: not all could be taken; those that were are closed.
   */
  receiveDescriptors(
    fd: Fd,
    block: Block,
    offset: number,
    length: number,
  ): { readonly bytes: number; readonly descriptors: readonly Fd[] } | number
  /**
   * The process at the other end of a UNIX socket, as it was when it connected or began to listen, in terms
   * of our own namespaces.
   */
  peerCredentials(fd: Fd): Credentials | number
  /**
   * Asks the kernel's socket diagnosis (sock_diag(7)) with one message; the length of what came back, which
   * is in `answer`.
   */
  diagnose(question: Block, answer: Block): number
  /** For a descriptor that somebody else made. */
  setNonBlocking(fd: Fd): number
  /** No more sending: FIN. */
  shutdownWrite(fd: Fd): number
  /** Nothing more goes either way; what has come can still be read. */
  shutdownBoth(fd: Fd): number
  setOption(fd: Fd, level: number, option: number, value: number): number
  getOption(fd: Fd, level: number, option: number): number
  /**
   * TCP_INFO of a connection. Every call returns the same object and overwrites it; null: the kernel has no
   * such information about this socket.
   */
  tcp(descriptor: number): TcpInfo | null
  /**
   * All that is told of a connection, in three calls; a new object. null: not a TCP socket, or a kernel
   * before Linux 5.4, which knows less.
   */
  view(descriptor: number): TcpView | null
  /**
   * Bytes that were written and that the peer has not acknowledged, sent or not; a FIN counts as one
   * (SIOCOUTQ).
   */
  unacknowledged(descriptor: number): number
  /**
   * A listening socket takes no new handshake: SYNs are dropped, as if they had been lost. Handshakes that
   * have begun end, and what waits in the queue stays. It holds for every duplicate of the socket, in other
   * processes too.
   */
  dropSyns(descriptor: number): number
  /** Bytes that have come and were not read (SIOCINQ). */
  unread(fd: Fd): number
  /** Of TCP_INFO; a new object. null: not a TCP socket, or a kernel before Linux 4.1. */
  counters(fd: Fd): TcpCounters | null
  /** close() sends RST and drops what is unsent: SO_LINGER with zero. */
  resetOnClose(fd: Fd): number
  /** close() sends FIN again, and delivers what is unsent. */
  endOnClose(fd: Fd): number
  /** The one place where descriptors are closed. A second call does nothing. */
  close(fd: Fd): void
  /** Marks a descriptor that another thread made and gave to this one. */
  adopt(fd: Fd): void
  /**
   * Gives a descriptor away, to another thread or process: its number, which is not this thread's any more.
   * `fd` is as if closed.
   */
  release(fd: Fd): number
  /** _exit(2). */
  exitAtOnce(code: number): void
  /** A second descriptor of the same open file. */
  duplicate(descriptor: number): Fd | number

  epoll(): Fd | number
  /**
   * Watches `fd`. `low` and `high` are the two halves of the 64 bits that come back with each of its events.
   */
  epollAdd(epoll: Fd, fd: Fd, events: number, low: number, high: number): number
  epollDelete(epoll: Fd, fd: Fd): number
  /** Fills `events` with as many events as fit and returns their number; read them with eventAt(). */
  epollWait(epoll: Fd, events: Block, timeoutMs: number): number
  eventfd(): Fd | number
  /** Resets the counter of an eventfd to zero. */
  clearEventfd(fd: Fd): void
  /** Adds one to the counter, which wakes the thread that waits for it. Any thread may call this. */
  raiseEventfd(descriptor: number): void

  pipe(): { readonly read: Fd; readonly write: Fd } | number
  /** The new size in bytes. */
  setPipeSize(fd: Fd, bytes: number): number
  /**
   * What a descriptor that somebody else made is, if it is an end of a pipe; a negative errno if it is not.
   */
  pipeEnd(fd: Fd): PipeEnd | number
  /** O_NONBLOCK and the access mode are in it. */
  flags(fd: Fd): number
  /** SO_COOKIE: the socket's name for good, whatever descriptor it has; null: no answer. */
  cookie(fd: Fd): bigint | null
  splice(from: Fd, to: Fd, length: number): number
}

/** Of struct tcp_info. */
export interface TcpInfo {
  /** Since data was last sent, for the first time or again. */
  readonly lastSentMs: number
  /** Since an ACK was last received. */
  readonly lastAckMs: number
  /** Times that the oldest data was sent again, or a closed window was asked, without any answer. */
  readonly unanswered: number
}

/** SO_PEERCRED. */
export interface Credentials {
  /** 0: a process of another PID namespace. */
  readonly pid: number
  /** 65534 for a user that this user namespace does not know. */
  readonly uid: number
}

/** SCM_MAX_FD of include/net/scm.h; measured: 253 pass, 254 are EINVAL. */
export const mostDescriptors = 253

/** Throws with the call's name and errno. For calls that can only fail by a bug or at the start. */
export function must<T>(what: string, value: T | number): T {
  if (typeof value === 'number' && value < 0) throw new Error(`${what}: ${errnoName(value)}`)
  return value as T
}
