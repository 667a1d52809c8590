import { createRequire } from 'node:module'
import type { TcpView } from '../core/tcp-view.ts'
import { Block } from './block.ts'
import { calls } from './calls.ts'
import * as c from './constants.ts'
import { createEnvelope } from './envelope.ts'
import { eventSize, eventsIn, putEvent } from './epoll-event.ts'
import { EBADMSG, EINVAL, errnoName } from './errno.ts'
import { Fd, type PipeEnd } from './fd.ts'
import { countersOf, countersSize, type TcpCounters, tcpViewSize, viewOf } from './tcp-info.ts'

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

export type LoadedLibc =
  | { readonly kind: 'loaded'; readonly libc: Libc }
  | { readonly kind: 'missing'; readonly reason: string }

/**
 * Loads koffi and libc by soname. Never throws: without them the program runs and says what it cannot do.
 * `open`: where this thread's descriptors are marked (1: open), so that another thread can close them when
 * this one is dead.
 */
export function loadLibc(open: Uint8Array | null = null): LoadedLibc {
  if (process.platform !== 'linux') return { kind: 'missing', reason: `the platform is ${process.platform}` }
  try {
    return { kind: 'loaded', libc: bind(open) }
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? error.name) : String(error)
    return { kind: 'missing', reason: `koffi or libc.so.6 did not load (${reason})` }
  }
}

/**
 * Where struct tcp_info (linux/tcp.h) has tcpi_retransmits and tcpi_probes (one byte each),
 * tcpi_last_data_sent and tcpi_last_ack_recv (four).
 */
const tcpInfo = { size: 104, retransmitsAt: 2, probesAt: 3, lastDataSentAt: 44, lastAckRecvAt: 56 } as const
/** struct sockaddr_in6. */
const addressSize = 28
const families = { 4: c.AF_INET, 6: c.AF_INET6, unix: c.AF_UNIX } as const

function bind(open: Uint8Array | null): Libc {
  const koffi: typeof import('koffi') = createRequire(import.meta.url)('koffi')
  const lib = koffi.load('libc.so.6')
  const call = calls((signature) => lib.func(signature))
  const block = (size: number): Block => {
    const bytes = Buffer.from(new ArrayBuffer(size))
    return new Block(bytes, Number(koffi.address(bytes)))
  }
  const result = (value: number): number => (value < 0 ? -koffi.errno() : value)
  const opened = (value: number): Fd | number => {
    if (value < 0) return -koffi.errno()
    if (open !== null) open[value] = 1
    return new Fd(value)
  }
  const scratch = block(tcpViewSize)
  const length = block(4)
  const lengthAt = length.at(0, 4)
  const option = ({ n }: Fd | { readonly n: number }, level: number, name: number, size: number): number => {
    length.view.setUint32(0, size, true)
    return result(call.getsockopt(n, level, name, scratch.at(0, size), lengthAt))
  }
  const info = { lastSentMs: 0, lastAckMs: 0, unanswered: 0 }
  const event = block(16)
  const counter = block(8)
  counter.view.setBigUint64(0, 1n, true)
  const sink = block(8)
  const ends = block(8)
  const envelope = createEnvelope(block)

  return {
    block,
    socket: (family) =>
      opened(call.socket(families[family], c.SOCK_STREAM | c.SOCK_NONBLOCK | c.SOCK_CLOEXEC, 0)),
    bind: (fd, address, size) => result(call.bind(fd.n, address.at(0, size), size)),
    connect: (fd, address, size) => result(call.connect(fd.n, address.at(0, size), size)),
    listen: (fd, backlog) => result(call.listen(fd.n, backlog)),
    accept(fd, address) {
      length.view.setUint32(0, addressSize, true)
      return opened(
        call.accept4(fd.n, address.at(0, addressSize), lengthAt, c.SOCK_NONBLOCK | c.SOCK_CLOEXEC),
      )
    },
    getsockname(fd, address) {
      length.view.setUint32(0, address.size, true)
      const code = result(call.getsockname(fd.n, address.at(0, address.size), lengthAt))
      return code < 0 ? code : length.view.getUint32(0, true)
    },
    getpeername(fd, address) {
      length.view.setUint32(0, addressSize, true)
      return result(call.getpeername(fd.n, address.at(0, addressSize), lengthAt))
    },
    recv: (fd, into, offset, size, flags) => result(call.recv(fd.n, into.at(offset, size), size, flags)),
    send: (fd, from, offset, size, flags) => result(call.send(fd.n, from.at(offset, size), size, flags)),
    sendUnixDatagram(address, message) {
      const fd = call.socket(c.AF_UNIX, c.SOCK_DGRAM | c.SOCK_NONBLOCK | c.SOCK_CLOEXEC, 0)
      if (fd < 0) return -koffi.errno()
      const from = message.at(0, message.size)
      const to = address.at(0, address.size)
      const sent = result(call.sendto(fd, from, message.size, c.MSG_NOSIGNAL, to, address.size))
      call.close(fd)
      return sent
    },
    messagePair() {
      const kind = c.SOCK_SEQPACKET | c.SOCK_NONBLOCK | c.SOCK_CLOEXEC
      const code = result(call.socketpair(c.AF_UNIX, kind, 0, ends.at(0, 8)))
      if (code < 0) return code
      const [ours, theirs] = [ends.view.getInt32(0, true), ends.view.getInt32(4, true)]
      if (open !== null) open[ours] = 1
      return { ours: new Fd(ours), theirs: new Fd(theirs) }
    },
    sendDescriptors(fd, from, offset, size, descriptors) {
      if (descriptors.length === 0 || descriptors.length > mostDescriptors) return EINVAL
      const header = envelope.pack(from.at(offset, size), size, descriptors)
      return result(call.sendmsg(fd.n, header, c.MSG_NOSIGNAL))
    },
    receiveDescriptors(fd, into, offset, size) {
      const header = envelope.empty(into.at(offset, size), size)
      const bytes = result(call.recvmsg(fd.n, header, c.MSG_CMSG_CLOEXEC))
      if (bytes < 0) return bytes
      const descriptors = envelope.descriptors().map((n) => new Fd(n))
      if (!envelope.truncated()) {
        if (open !== null) for (const { n } of descriptors) open[n] = 1
        return { bytes, descriptors }
      }
      for (const { n } of descriptors) call.close(n)
      return EBADMSG
    },
    peerCredentials(fd) {
      const code = option(fd, c.SOL_SOCKET, c.SO_PEERCRED, 12) // struct ucred: pid, uid, gid
      if (code < 0) return code
      return { pid: scratch.view.getInt32(0, true), uid: scratch.view.getUint32(4, true) }
    },
    setNonBlocking(fd) {
      const flags = result(call.fcntl(fd.n, c.F_GETFL, 0))
      return flags < 0 ? flags : result(call.fcntl(fd.n, c.F_SETFL, flags | c.O_NONBLOCK))
    },
    shutdownWrite: (fd) => result(call.shutdown(fd.n, c.SHUT_WR)),
    shutdownBoth: (fd) => result(call.shutdown(fd.n, c.SHUT_RDWR)),
    setOption(fd, level, name, value) {
      scratch.view.setInt32(0, value, true)
      return result(call.setsockopt(fd.n, level, name, scratch.at(0, 4), 4))
    },
    getOption(fd, level, name) {
      const code = option(fd, level, name, 4)
      return code < 0 ? code : scratch.view.getInt32(0, true)
    },
    tcp(descriptor) {
      if (option({ n: descriptor }, c.IPPROTO_TCP, c.TCP_INFO, tcpInfo.size) < 0) return null
      const { view } = scratch
      info.lastSentMs = view.getUint32(tcpInfo.lastDataSentAt, true)
      info.lastAckMs = view.getUint32(tcpInfo.lastAckRecvAt, true)
      info.unanswered = view.getUint8(tcpInfo.retransmitsAt) + view.getUint8(tcpInfo.probesAt)
      return info
    },
    view(descriptor) {
      const queued = (request: number): number =>
        call.ioctl(descriptor, request, scratch.at(0, 4)) < 0 ? 0 : scratch.view.getInt32(0, true)
      const unacknowledged = queued(c.SIOCOUTQ)
      const unread = queued(c.SIOCINQ)
      if (option({ n: descriptor }, c.IPPROTO_TCP, c.TCP_INFO, tcpViewSize) < 0) return null
      return length.view.getUint32(0, true) < tcpViewSize
        ? null
        : viewOf(scratch.view, unacknowledged, unread)
    },
    unacknowledged(descriptor) {
      const code = result(call.ioctl(descriptor, c.SIOCOUTQ, scratch.at(0, 4)))
      return code < 0 ? code : scratch.view.getInt32(0, true)
    },
    unread(fd) {
      const code = result(call.ioctl(fd.n, c.SIOCINQ, scratch.at(0, 4)))
      return code < 0 ? code : scratch.view.getInt32(0, true)
    },
    counters(fd) {
      if (option(fd, c.IPPROTO_TCP, c.TCP_INFO, countersSize) < 0) return null
      return length.view.getUint32(0, true) < countersSize ? null : countersOf(scratch.view)
    },
    resetOnClose(fd) {
      scratch.view.setInt32(0, 1, true)
      scratch.view.setInt32(4, 0, true)
      return result(call.setsockopt(fd.n, c.SOL_SOCKET, c.SO_LINGER, scratch.at(0, 8), 8))
    },
    endOnClose(fd) {
      scratch.view.setInt32(0, 0, true)
      scratch.view.setInt32(4, 0, true)
      return result(call.setsockopt(fd.n, c.SOL_SOCKET, c.SO_LINGER, scratch.at(0, 8), 8))
    },
    close(fd) {
      const { n } = fd
      if (n === -1) return
      fd.n = -1
      // Unmarked first: from the moment of close() the number may be another thread's.
      if (open !== null) open[n] = 0
      call.close(n)
    },
    adopt(fd) {
      if (open !== null) open[fd.n] = 1
    },
    release(fd) {
      const { n } = fd
      fd.n = -1
      if (open !== null && n !== -1) open[n] = 0
      return n
    },
    exitAtOnce: (code) => void call.exit(code),
    duplicate: (descriptor) => opened(call.fcntl(descriptor, c.F_DUPFD_CLOEXEC, 0)),

    epoll: () => opened(call.epoll_create1(c.EPOLL_CLOEXEC)),
    epollAdd(epoll, fd, events, low, high) {
      putEvent(event, events, low, high)
      return result(call.epoll_ctl(epoll.n, c.EPOLL_CTL_ADD, fd.n, event.at(0, eventSize)))
    },
    epollDelete: (epoll, fd) =>
      result(call.epoll_ctl(epoll.n, c.EPOLL_CTL_DEL, fd.n, event.at(0, eventSize))),
    epollWait: (epoll, events, timeoutMs) =>
      result(call.epoll_wait(epoll.n, events.at(0, events.size), eventsIn(events), timeoutMs)),
    eventfd: () => opened(call.eventfd(0, c.EFD_NONBLOCK | c.EFD_CLOEXEC)),
    clearEventfd: (fd) => void call.read(fd.n, sink.at(0, 8), 8),
    raiseEventfd: (descriptor) => void call.write(descriptor, counter.at(0, 8), 8),

    pipe() {
      const code = result(call.pipe2(ends.at(0, 8), c.O_NONBLOCK | c.O_CLOEXEC))
      if (code < 0) return code
      const [read, write] = [ends.view.getInt32(0, true), ends.view.getInt32(4, true)]
      if (open !== null) open[read] = open[write] = 1
      return { read: new Fd(read), write: new Fd(write) }
    },
    setPipeSize: (fd, bytes) => result(call.fcntl(fd.n, c.F_SETPIPE_SZ, bytes)),
    pipeEnd(fd) {
      const roomBytes = result(call.fcntl(fd.n, c.F_GETPIPE_SZ, 0)) // EBADF: it is no pipe
      if (roomBytes < 0) return roomBytes
      const flags = result(call.fcntl(fd.n, c.F_GETFL, 0))
      const code = result(call.ioctl(fd.n, c.FIONREAD, scratch.at(0, 4)))
      if (flags < 0 || code < 0) return Math.min(flags, code)
      const mode = flags & c.O_ACCMODE
      if (mode !== c.O_RDONLY && mode !== c.O_WRONLY) return EINVAL
      return { reads: mode === c.O_RDONLY, roomBytes, bytes: scratch.view.getInt32(0, true) }
    },
    flags: (fd) => result(call.fcntl(fd.n, c.F_GETFL, 0)),
    cookie(fd) {
      if (option(fd, c.SOL_SOCKET, c.SO_COOKIE, 8) < 0) return null
      return scratch.view.getBigUint64(0, true)
    },
    splice: (from, to, size) =>
      result(call.splice(from.n, 0, to.n, 0, size, c.SPLICE_F_MOVE | c.SPLICE_F_NONBLOCK)),
  }
}

/** Throws with the call's name and errno. For calls that can only fail by a bug or at the start. */
export function must<T>(what: string, value: T | number): T {
  if (typeof value === 'number' && value < 0) throw new Error(`${what}: ${errnoName(value)}`)
  return value as T
}
