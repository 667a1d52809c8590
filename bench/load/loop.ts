import type { SocketAddress } from '../../src/core/address.ts'
import {
  EPOLLET,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
  IPPROTO_TCP,
  SOL_SOCKET,
  TCP_NODELAY,
} from '../../src/linux/constants.ts'
import { eventBits, eventLow, eventsIn } from '../../src/linux/epoll-event.ts'
import { EAGAIN, ECONNABORTED, EINPROGRESS } from '../../src/linux/errno.ts'
import type { Fd } from '../../src/linux/fd.ts'
import { type Libc, must } from '../../src/linux/libc.ts'
import { loadLibc } from '../../src/linux/load-libc.ts'
import { readSockaddr, sockaddrSize, writeSockaddr } from '../../src/linux/sockaddr.ts'

const SO_REUSEADDR = 2
/** 16 bytes are the longest an event can be. */
const eventBytes = 256 * 16
const backlog = 4096

export interface Watcher {
  ready(bits: number): void
}

/**
 * Sockets for load, straight on epoll: a connection through node:net costs its maker twice what it costs the forwarder,
 * and then the load is what is measured. Everything is edge-triggered.
 */
export class Loop {
  readonly libc: Libc
  readonly #epoll: Fd
  readonly #events
  readonly #address
  readonly #watchers: (Watcher | undefined)[] = []
  readonly #free: number[] = []
  /** Free from the next turn on: events of this one may still name them. */
  #left: number[] = []

  constructor() {
    const loaded = loadLibc()
    if (loaded.kind === 'missing') throw new Error(`the load needs koffi: ${loaded.reason}`)
    this.libc = loaded.libc
    this.#epoll = must('epoll_create1', this.libc.epoll())
    this.#events = this.libc.block(eventBytes)
    this.#address = this.libc.block(sockaddrSize)
  }

  /** Tells `watcher` of `fd` until leave() is given the result. */
  watch(fd: Fd, watcher: Watcher): number {
    const place = this.#free.pop() ?? this.#watchers.length
    this.#watchers[place] = watcher
    const bits = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET
    must('epoll_ctl', this.libc.epollAdd(this.#epoll, fd, bits >>> 0, place, 0))
    return place
  }

  /** Closes `fd`, which was given `place`. */
  leave(fd: Fd, place: number): void {
    this.#watchers[place] = undefined
    this.#left.push(place)
    this.libc.close(fd)
  }

  /** Waits at most `timeoutMs` and tells whom it concerns. */
  turn(timeoutMs: number): void {
    this.#free.push(...this.#left)
    this.#left = []
    const count = this.libc.epollWait(this.#epoll, this.#events, timeoutMs)
    for (let i = 0; i < Math.min(count, eventsIn(this.#events)); i++) {
      this.#watchers[eventLow(this.#events, i)]?.ready(eventBits(this.#events, i))
    }
  }

  /** Begins to connect. Throws when that fails at once. */
  connect(address: SocketAddress): Fd {
    const fd = must('socket', this.libc.socket(address.family))
    this.libc.setOption(fd, IPPROTO_TCP, TCP_NODELAY, 1)
    const length = writeSockaddr(this.#address, address)
    const code = this.libc.connect(fd, this.#address, length)
    if (code < 0 && code !== EINPROGRESS) must('connect', code)
    return fd
  }

  /** Listens on a port that the kernel chooses, and hands over what comes. */
  listen(address: SocketAddress, accepted: (fd: Fd) => void): number {
    const fd = must('socket', this.libc.socket(address.family))
    this.libc.setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1)
    this.libc.setOption(fd, IPPROTO_TCP, TCP_NODELAY, 1) // inherited by what is accepted
    must('bind', this.libc.bind(fd, this.#address, writeSockaddr(this.#address, address)))
    must('listen', this.libc.listen(fd, backlog))
    must('getsockname', this.libc.getsockname(fd, this.#address))
    const { port } = readSockaddr(this.#address)
    const ready = (): void => {
      for (;;) {
        const one = this.libc.accept(fd, this.#address)
        if (typeof one !== 'number') accepted(one)
        else if (one === EAGAIN) return
        else if (one !== ECONNABORTED) must('accept', one)
      }
    }
    this.watch(fd, { ready })
    return port
  }
}
