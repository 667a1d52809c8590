import type { SocketAddress } from '../../core/address.ts'
import type { WireFacts } from '../../core/moved.ts'
import type { Block } from '../../linux/block.ts'
import {
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLPRI,
  EPOLLRDHUP,
  IPPROTO_TCP,
  MSG_PEEK,
  SO_ERROR,
  SO_KEEPALIVE,
  SO_RCVLOWAT,
  SOL_SOCKET,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_NODELAY,
  TCP_NOTSENT_LOWAT,
} from '../../linux/constants.ts'
import { EAGAIN, EPIPE } from '../../linux/errno.ts'
import type { Fd } from '../../linux/fd.ts'
import type { Libc } from '../../linux/libc.ts'
import { readPort, readSockaddr, readV4, sockaddrSize, v4Address } from '../../linux/sockaddr.ts'
import { type Cancel, maxPeekBytes, type RelayTimeouts, type Wire } from '../plane.ts'
import { mostUnsent, unboundedBytes } from '../unsent.ts'
import type { Acknowledging, AckState, Acks, Habits } from './acks.ts'
import type { ChosenPorts } from './chosen-ports.ts'
import type { Poller, Watcher } from './poller.ts'

/** What every socket of a thread shares. */
export interface Shared {
  readonly libc: Libc
  readonly poller: Poller
  /** Where reads go; valid until the next call that reads. */
  readonly scratch: Block
  readonly address: Block
  readonly acks: Acks
  readonly chosenPorts: ChosenPorts
}

/** Whoever owns a wire after the session: a dial, then a relay. */
export interface Owner {
  /** The wire's flags have changed by `events`. */
  ready(wire: SpliceWire, events: number): void
}

/**
 * Fits one segment of any network: of a longer message the last segment would wait for the first one's ACK.
 */
const firstMessage = 512

interface Peeker {
  readonly least: number
  readonly done: (bytes: Uint8Array, ended: boolean) => void
}

/**
 * One socket. Edges are remembered in flags until what they allow is done. Owns no buffer: what it has not
 * been asked for stays in the kernel.
 */
export class SpliceWire implements Wire, Watcher, Acknowledging {
  place = -1
  readonly fd: Fd
  isUnix = false
  owner: Owner | null = null
  /** There may be bytes, or the end, to read. */
  readable = false
  /** The kernel may take bytes. */
  writable = false
  /**
   * The peer has ended or is gone: what is in the kernel now is all there is, and no edge will tell of more.
   */
  finArrived = false
  /**
   * FIN was told of before any error: a reset after it is not how this peer ended (in LAST_ACK it is
   * ECONNRESET).
   */
  finSeen = false
  /**
   * A positive errno: the peer is gone, and a call has taken the socket's error. What the peer sent before
   * can still be read, and recv() says 0 behind it, which is no FIN then.
   */
  error = 0
  /** Urgent data splits reads: a short one does not mean that there is no more. */
  urgent = false
  /** Bytes were sent on it. */
  sent = false
  /** Bytes that were read from it and dropped. */
  discarded = 0
  acks: AckState = 'normal'
  habits: Habits | null = null
  connectedMs = 0
  readonly #shared: Shared
  #remote: SocketAddress | null
  /** Until someone asks for #remote: most connections end without, and an address costs an array. */
  #remoteV4 = 0
  #remotePort = 0
  #local: SocketAddress | null = null
  #peeker: Peeker | null = null
  /** SO_RCVLOWAT: with fewer bytes than that there is no edge. */
  #lowWater = 1
  #reset: (() => void) | null = null
  #noDelay: boolean
  /** How many more bytes may be sent before TCP_NOTSENT_LOWAT is set; below zero: it is set. */
  #untilBound: number

  /** `inherited`: the socket has the options of a listener, TCP_NODELAY and TCP_NOTSENT_LOWAT among them. */
  constructor(shared: Shared, fd: Fd, remote: SocketAddress | null, inherited: boolean) {
    this.#shared = shared
    this.fd = fd
    this.#remote = remote
    this.#noDelay = inherited
    this.#untilBound = inherited ? -1 : unboundedBytes
  }

  /** Of a socket that was just accepted, whose peer is in the shared block. */
  static accepted(shared: Shared, fd: Fd): SpliceWire {
    const { address } = shared
    const v4 = readV4(address)
    if (v4 === undefined) return new SpliceWire(shared, fd, readSockaddr(address), true)
    const wire = new SpliceWire(shared, fd, null, true)
    wire.#remoteV4 = v4
    wire.#remotePort = readPort(address)
    return wire
  }

  /** A socket that is to be connected to a UNIX socket: it has none of the options that TCP has. */
  static unix(shared: Shared, fd: Fd): SpliceWire {
    const wire = new SpliceWire(shared, fd, unknown, true)
    wire.isUnix = true
    return wire
  }

  /** Of a socket that another process or thread has detached. */
  static adopted(shared: Shared, fd: Fd, past: WireFacts): SpliceWire {
    const { libc, address } = shared
    const known = !past.unix && libc.getpeername(fd, address) >= 0
    const wire = new SpliceWire(shared, fd, known ? readSockaddr(address) : unknown, past.noDelay)
    wire.isUnix = past.unix
    wire.#untilBound = past.untilBound
    wire.sent = past.sent
    wire.finSeen = past.finSeen
    wire.urgent = past.urgent
    return wire
  }

  /** Lets the socket go: nobody here touches it any more, and its descriptor is the caller's. */
  detach(): number {
    const { poller, acks, libc } = this.#shared
    poller.mute(this.fd, this)
    acks.settle(this)
    libc.resetOnClose(this.fd) // whoever dies with it must not end it as if it were whole
    this.owner = null
    return libc.release(this.fd)
  }

  /** What is known of it and the kernel does not tell again. */
  get facts(): WireFacts {
    const { isUnix: unix, sent, finSeen, urgent } = this
    return { unix, sent, finSeen, urgent, noDelay: this.#noDelay, untilBound: this.#untilBound }
  }

  get remote(): SocketAddress {
    this.#remote ??= v4Address(this.#remoteV4, this.#remotePort)
    return this.#remote
  }

  get local(): SocketAddress {
    const { libc, address } = this.#shared
    this.#local ??= libc.getsockname(this.fd, address) < 0 ? unknown : readSockaddr(address)
    return this.#local
  }

  /** The bytes never leave this host: a kernel artefact makes some ways of copying slow there. */
  get loopback(): boolean {
    if (this.isUnix) return true
    const { family, bytes } = this.remote
    if (family === 4) return bytes[0] === 127
    return bytes[15] === 1 && bytes.subarray(0, 15).every((byte) => byte === 0)
  }

  /**
   * A dial to a dead port of this host whose number the kernel happens to choose as the local one meets
   * itself (TCP's simultaneous open): nobody is there, and the port would be taken from the gateway that
   * comes back. Most ports it never chooses, which saves a system call.
   */
  isItself(): boolean {
    if (!this.loopback || !this.#shared.chosenPorts.has(this.remote.port)) return false
    const { libc, address } = this.#shared
    if (libc.getsockname(this.fd, address) < 0 || readPort(address) !== this.remote.port) return false
    const { local, remote } = this
    return local.bytes.every((byte, i) => byte === remote.bytes[i])
  }

  peek(least: number, done: (bytes: Uint8Array, ended: boolean) => void): Cancel {
    const peeker: Peeker = { least, done }
    this.#peeker = peeker
    // Without an edge there was nothing so far, and the edge shows it.
    if (this.readable) this.#shared.poller.later(() => this.#show(peeker))
    return () => {
      if (this.#peeker === peeker) this.#peeker = null
    }
  }

  discard(count: number): void {
    const { libc, scratch } = this.#shared
    for (let left = count; left > 0; ) {
      const taken = libc.recv(this.fd, scratch, 0, Math.min(left, scratch.size), 0)
      if (taken <= 0) return
      left -= taken
      this.discarded += taken
    }
  }

  onReset(fire: () => void): Cancel {
    this.#reset = fire
    return () => {
      if (this.#reset === fire) this.#reset = null
    }
  }

  untouched(): boolean {
    return !this.finArrived && this.waiting() === EAGAIN
  }

  /** Nobody is told of anything any more. The socket stays open. */
  release(): void {
    this.#peeker = null
    this.#reset = null
    this.owner = null
    this.#shared.poller.forget(this)
  }

  close(): void {
    this.release()
    this.#shared.libc.close(this.fd)
  }

  reset(): void {
    this.release()
    if (this.fd.n !== -1) this.#shared.libc.resetOnClose(this.fd)
    this.#shared.libc.close(this.fd)
  }

  /**
   * `count` bytes are about to be sent. TCP_NODELAY waits until it matters: Nagle's algorithm holds nothing
   * back while all before is acknowledged, so a small first message goes at once, and most connections send
   * one.
   */
  sends(count: number): void {
    if (!this.#noDelay && (this.sent || count > firstMessage)) {
      this.#noDelay = true
      this.#shared.libc.setOption(this.fd, IPPROTO_TCP, TCP_NODELAY, 1)
    }
    this.sent = true
    if (this.#untilBound < 0) return
    this.#untilBound -= count
    if (this.#untilBound < 0) this.#shared.libc.setOption(this.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, mostUnsent)
  }

  keepAlive({ idleMs, intervalMs, count }: RelayTimeouts['keepalive']): void {
    if (this.isUnix) return
    const { libc } = this.#shared
    libc.setOption(this.fd, IPPROTO_TCP, TCP_KEEPIDLE, Math.round(idleMs / 1000))
    libc.setOption(this.fd, IPPROTO_TCP, TCP_KEEPINTVL, Math.round(intervalMs / 1000))
    libc.setOption(this.fd, IPPROTO_TCP, TCP_KEEPCNT, count)
    libc.setOption(this.fd, SOL_SOCKET, SO_KEEPALIVE, 1)
  }

  /** The owner takes over: nobody is told of a reset or of bytes any more. */
  handTo(owner: Owner): void {
    this.#expect(1)
    this.#peeker = null
    this.#reset = null
    this.owner = owner
  }

  /** The socket's error, which this clears: 0 or a positive errno. */
  takeError(): number {
    const { libc } = this.#shared
    const error = libc.getOption(this.fd, SOL_SOCKET, SO_ERROR)
    if (error > 0) this.error = error
    return error
  }

  /** The end that recv() told of, saying 0, is the peer's FIN and not what is left of its reset. */
  get endedByFin(): boolean {
    return this.error === 0 || this.error === -EPIPE || this.finSeen
  }

  /**
   * Bytes wait to be read, whatever has become of the peer since. Takes no error unless there are none: then
   * a negative errno.
   */
  waiting(): number {
    const { libc, scratch } = this.#shared
    return libc.recv(this.fd, scratch, 0, 1, MSG_PEEK)
  }

  ready(events: number): void {
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) !== 0) this.readable = true
    if ((events & (EPOLLRDHUP | EPOLLHUP)) !== 0) this.finArrived = true
    // An error that a call has taken is not told of any more, though it was what made this edge.
    if ((events & (EPOLLRDHUP | EPOLLERR)) === EPOLLRDHUP && this.error === 0) this.finSeen = true
    if ((events & EPOLLOUT) !== 0) this.writable = true
    if ((events & EPOLLPRI) !== 0) this.urgent = true
    if (this.owner !== null) this.owner.ready(this, events)
    else if ((events & EPOLLERR) !== 0) this.#failed()
    else if (this.#peeker !== null) this.#show(this.#peeker)
  }

  #failed(): void {
    const fire = this.#reset
    this.#peeker = null
    this.#reset = null
    fire?.()
  }

  #show(peeker: Peeker): void {
    if (this.#peeker !== peeker || this.fd.n === -1) return
    const { libc, scratch } = this.#shared
    const count = Math.max(0, libc.recv(this.fd, scratch, 0, maxPeekBytes, MSG_PEEK))
    // MSG_PEEK does not tell the end while there are bytes; with FIN here and the buffer not full, these are
    // the last.
    const ended = this.finArrived && count < maxPeekBytes
    if (count < peeker.least && !ended) {
      this.#expect(peeker.least)
      return
    }
    this.#peeker = null
    peeker.done(scratch.bytes.subarray(0, count), ended)
  }

  /**
   * The next edge comes with so many bytes, or with the end: who sends them one by one does not wake this
   * thread for each. The kernel looks at once whether they are there by now (tcp_set_rcvlowat()).
   */
  #expect(least: number): void {
    if (least === this.#lowWater || this.fd.n === -1) return
    this.#lowWater = least
    this.#shared.libc.setOption(this.fd, SOL_SOCKET, SO_RCVLOWAT, least)
  }
}

/** A socket that was reset before anyone asked has no address any more. */
const unknown: SocketAddress = { family: 4, bytes: new Uint8Array(4), port: 0 }

/** For listeners and dials: a block that holds any address. */
export const addressBlockSize = sockaddrSize
