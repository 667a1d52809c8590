import {
  IPPROTO_TCP,
  SO_OOBINLINE,
  SOL_SOCKET,
  TCP_NODELAY,
  TCP_NOTSENT_LOWAT,
} from '../../linux/constants.ts'
import { EAGAIN, EMFILE, ENFILE, ENOBUFS, ENOMEM, ENOPROTOOPT, EOPNOTSUPP } from '../../linux/errno.ts'
import { Fd } from '../../linux/fd.ts'
import { must } from '../../linux/libc.ts'
import type { Listening, ListenSpec } from '../plane.ts'
import { mostUnsent } from '../unsent.ts'
import type { Watcher } from './poller.ts'
import { type Shared, SpliceWire } from './wire.ts'

/** Connections taken in one go, at most; under load one at a time costs 2 µs more each. */
const batch = 64
/** How long connections wait in the kernel's backlog after accept(2) ran out of descriptors or memory. */
const pauseMs = 100
/** Not the connection's fault: the next one would fare no better. */
const shortages: ReadonlySet<number> = new Set([EMFILE, ENFILE, ENOBUFS, ENOMEM])

/**
 * A listener that somebody else made may be MPTCP, which has no urgent data and, before Linux 5.16, fewer
 * options.
 */
const unknownOptions: ReadonlySet<number> = new Set([EOPNOTSUPP, ENOPROTOOPT])

function inheritable(what: string, result: number): void {
  if (!unknownOptions.has(result)) must(what, result)
}

/** Who is told of connections. */
export interface AcceptOwner {
  accept(downstream: SpliceWire): void
  /** One was reset, because it could not be watched. */
  refused(): void
}

/** Plane.listen by accept4(2). */
export class Listener implements Listening, Watcher {
  place = -1
  readonly #shared: Shared
  readonly #fd: Fd
  readonly #backlog: number
  readonly #door: AcceptOwner
  readonly #hasRoom: () => boolean
  readonly #after: (ms: number, fire: () => void) => () => void
  /**
   * How many are expected to wait: as long as there are not more, nobody has to be told EAGAIN, which costs
   * as much as any accept4(). Doubles when that many were taken and the next batch brings more.
   */
  #expected = 1
  /** The poller's batch in which as many as expected were taken. */
  #tookAllIn = -1
  #paused: (() => void) | null = null

  constructor(
    shared: Shared,
    spec: ListenSpec,
    door: AcceptOwner,
    after: (ms: number, fire: () => void) => () => void,
  ) {
    if (typeof spec.socket !== 'number') throw new TypeError('the splice plane listens on a descriptor')
    const { libc, poller } = shared
    this.#shared = shared
    this.#door = door
    this.#hasRoom = spec.hasRoom
    this.#after = after
    this.#fd = new Fd(spec.socket)
    this.#backlog = spec.backlog
    libc.adopt(this.#fd)
    // Accepted sockets inherit all three: no system call for each of them.
    inheritable('setsockopt(TCP_NODELAY)', libc.setOption(this.#fd, IPPROTO_TCP, TCP_NODELAY, 1))
    inheritable('setsockopt(SO_OOBINLINE)', libc.setOption(this.#fd, SOL_SOCKET, SO_OOBINLINE, 1))
    inheritable(
      'setsockopt(TCP_NOTSENT_LOWAT)',
      libc.setOption(this.#fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, mostUnsent),
    )
    must('listen', libc.listen(this.#fd, spec.backlog))
    must('epoll_ctl', poller.watchListener(this.#fd, this))
  }

  ready(): void {
    const { poller } = this.#shared
    if (poller.batch === this.#tookAllIn + 1) this.#expected = Math.min(batch, 2 * this.#expected)
    const taken = this.#take(this.#expected)
    if (taken === this.#expected) this.#tookAllIn = poller.batch
    else this.#expected = Math.max(1, taken)
  }

  /** Accepts `most` connections, or as many as there are, or until somebody pauses it: how many. */
  #take(most: number): number {
    const { libc, poller, address } = this.#shared
    let taken = 0
    for (let i = 0; i < most && this.place !== -1 && this.#hasRoom(); i++) {
      const fd = libc.accept(this.#fd, address)
      if (typeof fd === 'number') {
        if (shortages.has(fd)) this.#pause()
        if (fd === EAGAIN || shortages.has(fd)) return taken
        continue // that connection is gone already (ECONNABORTED and the like); the next one may be fine
      }
      const wire = SpliceWire.accepted(this.#shared, fd)
      if (poller.watch(fd, wire) < 0) {
        wire.reset()
        this.#door.refused()
        this.#pause()
        return taken
      }
      taken++
      this.#door.accept(wire)
    }
    return taken
  }

  pause(): void {
    this.#shared.poller.mute(this.#fd, this)
  }

  resume(): void {
    if (this.#fd.n === -1 || this.place !== -1) return
    // epoll_ctl(2) can run out of memory too.
    if (this.#shared.poller.watchListener(this.#fd, this) < 0) this.#resumeLater()
  }

  close(queue: 'empty' | 'leave', closed?: () => void): void {
    if (queue === 'empty') this.#take(this.#backlog)
    this.#paused?.()
    // Not left to close(): the socket lives on in main's descriptor, maybe in another process, and so would
    // its events.
    this.#shared.poller.mute(this.#fd, this)
    this.#shared.libc.close(this.#fd)
    closed?.()
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
