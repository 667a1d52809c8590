import type { EndpointAddress, SocketAddress, UnixAddress } from '../../core/address.ts'
import type { Block } from '../../linux/block.ts'
import {
  EPOLLERR,
  EPOLLHUP,
  EPOLLOUT,
  IP_BIND_ADDRESS_NO_PORT,
  IP_TRANSPARENT,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_TRANSPARENT,
  SO_OOBINLINE,
  SOL_SOCKET,
} from '../../linux/constants.ts'
import { EAGAIN, ECONNREFUSED, ECONNRESET, EINPROGRESS, EINVAL, errnoName } from '../../linux/errno.ts'
import { sockaddrSize, writeSockaddr } from '../../linux/sockaddr.ts'
import { unixAddress } from '../../linux/unix-address.ts'
import type { Cancel, Dialed, DialOptions } from '../plane.ts'
import { type Owner, type Shared, SpliceWire } from './wire.ts'

interface Sockaddr {
  readonly block: Block
  readonly length: number
}

/** Plane.dial by connect(2). */
export class Dialer {
  readonly #shared: Shared
  /** A snapshot's endpoints are dialed again and again; the next snapshot brings objects of its own. */
  readonly #sockaddrs = new WeakMap<EndpointAddress, Sockaddr>()

  constructor(shared: Shared) {
    this.#shared = shared
  }

  dial(endpoint: EndpointAddress, options: DialOptions, done: (result: Dialed<SpliceWire>) => void): Cancel {
    const { libc, poller } = this.#shared
    const fd = libc.socket(endpoint.family)
    if (typeof fd === 'number') return this.#later(fd, done)
    const wire =
      endpoint.family === 'unix'
        ? SpliceWire.unix(this.#shared, fd)
        : new SpliceWire(this.#shared, fd, endpoint, false)
    const attempt = new Connecting(this.#shared, wire, done)
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

  #connect(
    wire: SpliceWire,
    endpoint: EndpointAddress,
    { source, transparent, group, forClient }: DialOptions,
  ): number {
    const { libc, address, acks } = this.#shared
    const { fd } = wire
    if (forClient && !wire.isUnix) acks.dials(wire, group)
    // Set now and not when an urgent byte is signalled, because by then a read may have dropped it.
    libc.setOption(fd, SOL_SOCKET, SO_OOBINLINE, 1)
    if (source !== null) {
      if (source.family !== endpoint.family) return EINVAL
      if (transparent) {
        const allowed =
          source.family === 4
            ? libc.setOption(fd, IPPROTO_IP, IP_TRANSPARENT, 1)
            : libc.setOption(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 1)
        if (allowed < 0) return allowed
      }
      // The port is chosen at connect(), by the whole four-tuple: more connections than ports.
      libc.setOption(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
      const length = writeSockaddr(address, source)
      if (transparent) address.view.setUint16(2, 0)
      const bound = libc.bind(fd, address, length)
      if (bound < 0) return bound
    }
    const { block, length } = this.#sockaddrOf(endpoint)
    return libc.connect(fd, block, length)
  }

  #sockaddrOf(endpoint: EndpointAddress): Sockaddr {
    const known = this.#sockaddrs.get(endpoint)
    if (known !== undefined) return known
    const made = endpoint.family === 'unix' ? this.#sockaddrUn(endpoint) : this.#sockaddrIn(endpoint)
    this.#sockaddrs.set(endpoint, made)
    return made
  }

  #sockaddrIn(endpoint: SocketAddress): Sockaddr {
    const block = this.#shared.libc.block(sockaddrSize)
    return { block, length: writeSockaddr(block, endpoint) }
  }

  #sockaddrUn({ path }: UnixAddress): Sockaddr {
    const bytes = unixAddress(path)
    if (bytes === null) throw new TypeError(`a UNIX socket must be a path or @name, got ${path}`)
    const block = this.#shared.libc.block(bytes.length)
    block.bytes.set(bytes)
    return { block, length: bytes.length }
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
}

class Connecting implements Owner {
  readonly #shared: Shared
  readonly #wire: SpliceWire
  readonly #done: (result: Dialed<SpliceWire>) => void

  constructor(shared: Shared, wire: SpliceWire, done: (result: Dialed<SpliceWire>) => void) {
    this.#shared = shared
    this.#wire = wire
    this.#done = done
  }

  /** Called late, when the wire has another owner, it does nothing. */
  cancel(): void {
    if (this.#wire.owner === this) this.#wire.close()
  }

  ready(wire: SpliceWire, events: number): void {
    // A UNIX socket is connected when connect() returns, and EPOLLHUP is then its peer's end, which TCP tells
    // as FIN.
    const lost = wire.isUnix ? EPOLLERR : EPOLLERR | EPOLLHUP
    if ((events & lost) !== 0) {
      // An endpoint that sent bytes did answer: they are delivered before the reset that followed them.
      const waiting = wire.waiting()
      if (waiting > 0) this.#connected(wire)
      else this.#failed(wire, waiting < 0 && waiting !== EAGAIN ? waiting : -wire.takeError())
    } else if ((events & EPOLLOUT) !== 0) {
      if (!wire.isUnix && wire.isItself()) this.#failed(wire, ECONNREFUSED)
      else this.#connected(wire)
    }
  }

  #connected(wire: SpliceWire): void {
    wire.owner = null
    this.#shared.acks.connected(wire)
    this.#done({ kind: 'connected', wire })
  }

  #failed(wire: SpliceWire, code: number): void {
    wire.reset()
    this.#done({ kind: 'failed', code: errnoName(code < 0 ? code : ECONNRESET) })
  }
}
