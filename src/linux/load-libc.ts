import { createRequire } from 'node:module'
import { Block } from './block.ts'
import { calls } from './calls.ts'
import * as c from './constants.ts'
import { createEnvelope } from './envelope.ts'
import { eventSize, eventsIn, putEvent } from './epoll-event.ts'
import { EBADMSG, EINVAL } from './errno.ts'
import { Fd } from './fd.ts'
import { type Libc, mostDescriptors } from './libc.ts'
import { synFilter } from './syn-filter.ts'
import { countersOf, countersSize, tcpViewSize, viewOf } from './tcp-info.ts'

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
    diagnose(question, answer) {
      const fd = call.socket(c.AF_NETLINK, c.SOCK_RAW | c.SOCK_NONBLOCK | c.SOCK_CLOEXEC, c.NETLINK_SOCK_DIAG)
      if (fd < 0) return -koffi.errno()
      // The answer is there when send(2) returns: the kernel makes it within the call.
      const sent = result(call.send(fd, question.at(0, question.size), question.size, 0))
      const got = sent < 0 ? sent : result(call.recv(fd, answer.at(0, answer.size), answer.size, 0))
      call.close(fd)
      return got
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
    dropSyns(descriptor) {
      const program = scratch.at(0, synFilter.length)
      scratch.bytes.set(synFilter)
      // struct sock_fprog: how many instructions, and where they are.
      scratch.view.setUint16(synFilter.length, synFilter.length / 8, true)
      scratch.view.setBigUint64(synFilter.length + 8, BigInt(program), true)
      const fprog = scratch.at(synFilter.length, 16)
      return result(call.setsockopt(descriptor, c.SOL_SOCKET, c.SO_ATTACH_FILTER, fprog, 16))
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
