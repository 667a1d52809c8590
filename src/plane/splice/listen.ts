import { IPPROTO_TCP, SO_OOBINLINE, SOL_SOCKET, TCP_NODELAY } from '../../linux/constants.ts'
import { EAGAIN, EMFILE, ENFILE, ENOBUFS, ENOMEM } from '../../linux/errno.ts'
import { Fd } from '../../linux/fd.ts'
import { must } from '../../linux/libc.ts'
import type { Listening, ListenSpec } from '../plane.ts'
import type { Watcher } from './poller.ts'
import { type Shared, SpliceWire } from './wire.ts'

/** Connections taken in one go; one at a time costs 2 µs more each. */
const batch = 64
/** Out of something: how long the rest waits in the kernel's backlog. */
const pauseMs = 100
/** Not the connection's fault: the next one would fare no better. */
const shortages: ReadonlySet<number> = new Set([EMFILE, ENFILE, ENOBUFS, ENOMEM])

/** Who is told of connections. */
export interface Door {
  accept(downstream: SpliceWire): void
  /** One was reset, because it could not be watched. */
  refused(): void
}

/** Plane.listen by accept4(2). */
export class Listener implements Listening, Watcher {
  place = -1
  readonly #shared: Shared
  readonly #fd: Fd
  readonly #door: Door
  readonly #hasRoom: () => boolean
  readonly #after: (ms: number, fire: () => void) => () => void
  #paused: (() => void) | null = null

  constructor(
    shared: Shared,
    spec: ListenSpec,
    door: Door,
    after: (ms: number, fire: () => void) => () => void,
  ) {
    if (typeof spec.socket !== 'number') throw new TypeError('the splice plane listens on a descriptor')
    const { libc, poller } = shared
    this.#shared = shared
    this.#door = door
    this.#hasRoom = spec.hasRoom
    this.#after = after
    this.#fd = new Fd(spec.socket)
    libc.adopt(this.#fd)
    // Accepted sockets inherit both: no system call for each of them.
    must('setsockopt(TCP_NODELAY)', libc.setOption(this.#fd, IPPROTO_TCP, TCP_NODELAY, 1))
    must('setsockopt(SO_OOBINLINE)', libc.setOption(this.#fd, SOL_SOCKET, SO_OOBINLINE, 1))
    must('listen', libc.listen(this.#fd, spec.backlog))
    must('epoll_ctl', poller.watchListener(this.#fd, this))
  }

  ready(): void {
    const { libc, poller, address } = this.#shared
    for (let i = 0; i < batch && this.place !== -1 && this.#hasRoom(); i++) {
      const fd = libc.accept(this.#fd, address)
      if (typeof fd === 'number') {
        if (shortages.has(fd)) this.#pause()
        if (fd === EAGAIN || shortages.has(fd)) return
        continue // that connection is gone already (ECONNABORTED and the like); the next one may be fine
      }
      const wire = SpliceWire.accepted(this.#shared, fd)
      if (poller.watch(fd, wire) < 0) {
        wire.reset()
        this.#door.refused()
        this.#pause()
        return
      }
      this.#door.accept(wire)
    }
  }

  pause(): void {
    this.#shared.poller.mute(this.#fd, this)
  }

  resume(): void {
    if (this.#fd.n === -1 || this.place !== -1) return
    // The kernel may have no room for a watch, as for anything else.
    if (this.#shared.poller.watchListener(this.#fd, this) < 0) this.#resumeLater()
  }

  close(): void {
    this.#paused?.()
    // Not left to close(): the socket lives on in main's descriptor, maybe in another process, and so would its events.
    this.#shared.poller.mute(this.#fd, this)
    this.#shared.libc.close(this.#fd)
  }

  /** Level-triggered: without this the poller would spin on a queue that cannot be taken. */
  #pause(): void {
    this.pause()
    this.#resumeLater()
  }

  #resumeLater(): void {
    this.#paused = this.#after(pauseMs, () => {
      this.#paused = null
      this.resume()
    })
  }
}
