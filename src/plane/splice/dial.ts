import { type SocketAddress, socketAddress } from '../../core/address.ts'
import type { Block } from '../../linux/block.ts'
import {
  EPOLLERR,
  EPOLLHUP,
  EPOLLOUT,
  IP_BIND_ADDRESS_NO_PORT,
  IPPROTO_IP,
  IPPROTO_TCP,
  TCP_QUICKACK,
} from '../../linux/constants.ts'
import { EINPROGRESS, EINVAL, errnoName } from '../../linux/errno.ts'
import type { Cancel, Dialed, DialOptions } from '../plane.ts'
import { sockaddrSize, writeSockaddr } from './sockaddr.ts'
import { type Owner, type Shared, SpliceWire } from './wire.ts'

interface Sockaddr {
  readonly block: Block
  readonly length: number
}

/** Plane.dial by connect(2). */
export class Dialer {
  readonly #shared: Shared
  /** Connected in this batch: the ACK of the handshake waits for the client's first bytes. */
  #quiet: SpliceWire[] = []
  /** A snapshot's endpoints are dialed again and again; the next snapshot brings objects of its own. */
  readonly #sockaddrs = new WeakMap<SocketAddress, Sockaddr>()
  readonly #flush = (): void => this.#acknowledge()

  constructor(shared: Shared) {
    this.#shared = shared
  }

  dial(endpoint: SocketAddress, options: DialOptions, done: (result: Dialed<SpliceWire>) => void): Cancel {
    const { libc, poller } = this.#shared
    const fd = libc.socket(endpoint.family)
    if (typeof fd === 'number') return this.#later(fd, done)
    const wire = new SpliceWire(this.#shared, fd, endpoint, false)
    const attempt = new Attempt(wire, done, () => this.#connected(wire))
    wire.owner = attempt
    const code = this.#connect(wire, endpoint, options)
    if (code < 0 && code !== EINPROGRESS) {
      wire.close()
      return this.#later(code, done)
    }
    const watched = poller.watch(fd, wire)
    if (watched < 0) {
      wire.close()
      return this.#later(watched, done)
    }
    return () => attempt.cancel()
  }

  #connect(wire: SpliceWire, endpoint: SocketAddress, { source }: DialOptions): number {
    const { libc, address } = this.#shared
    const { fd } = wire
    // The ACK of the handshake rides on the request: one segment, 1.2 to 2 µs less a connection.
    libc.setOption(fd, IPPROTO_TCP, TCP_QUICKACK, 0)
    if (source !== null) {
      const local = socketAddress(source, 0)
      if (local === undefined || local.family !== endpoint.family) return EINVAL
      // The port is chosen at connect(), by the whole four-tuple: more connections than ports.
      libc.setOption(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
      const bound = libc.bind(fd, address, writeSockaddr(address, local))
      if (bound < 0) return bound
    }
    const { block, length } = this.#sockaddrOf(endpoint)
    return libc.connect(fd, block, length)
  }

  #sockaddrOf(endpoint: SocketAddress): Sockaddr {
    const known = this.#sockaddrs.get(endpoint)
    if (known !== undefined) return known
    const block = this.#shared.libc.block(sockaddrSize)
    const made = { block, length: writeSockaddr(block, endpoint) }
    this.#sockaddrs.set(endpoint, made)
    return made
  }

  /** `done` is never called before dial() has returned. */
  #later(code: number, done: (result: Dialed<SpliceWire>) => void): Cancel {
    let cancelled = false
    this.#shared.poller.later(() => {
      if (!cancelled) done({ kind: 'failed', code: errnoName(code) })
    })
    return () => {
      cancelled = true
    }
  }

  #connected(wire: SpliceWire): void {
    if (this.#quiet.push(wire) === 1) this.#shared.poller.later(this.#flush)
  }

  /** Where nobody had anything to say by the end of the batch, it goes alone. */
  #acknowledge(): void {
    const quiet = this.#quiet
    this.#quiet = []
    for (const wire of quiet) wire.acknowledge()
  }
}

class Attempt implements Owner {
  readonly #wire: SpliceWire
  readonly #done: (result: Dialed<SpliceWire>) => void
  readonly #connected: () => void

  constructor(wire: SpliceWire, done: (result: Dialed<SpliceWire>) => void, connected: () => void) {
    this.#wire = wire
    this.#done = done
    this.#connected = connected
  }

  /** Late, the wire is somebody else's, and nothing happens. */
  cancel(): void {
    if (this.#wire.owner === this) this.#wire.close()
  }

  ready(wire: SpliceWire, events: number): void {
    if ((events & (EPOLLERR | EPOLLHUP)) !== 0) {
      const error = wire.takeError()
      wire.close()
      this.#done({ kind: 'failed', code: error > 0 ? errnoName(-error) : 'ECONNRESET' })
    } else if ((events & EPOLLOUT) !== 0) {
      if (wire.isItself()) {
        wire.reset()
        this.#done({ kind: 'failed', code: 'ECONNREFUSED' })
        return
      }
      wire.owner = null
      this.#connected()
      this.#done({ kind: 'connected', wire })
    }
  }
}
