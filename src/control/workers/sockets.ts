import { BoundSocket } from 'node:net'
import { CodedError, type Errno, errnoOf } from '../../core/coded-error.ts'

/** What a listening address is, as the configuration says it. */
export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/**
 * The listening sockets of one listener. Main keeps each and lends duplicates to workers, so that a dead
 * worker's accept queue waits for its successor. A fresh start has one SO_REUSEPORT socket for each worker;
 * of inherited ones there may be any number: the port is never bound a second time.
 */
export interface ListenerSockets {
  /** As bound: port 0 is resolved, `::` has become `0.0.0.0` on a host without IPv6. */
  readonly address: ListenAddress
  /** Main's, for a successor of this process. Empty: without duplicates they are lent away. */
  readonly descriptors: readonly number[]
  /** As HeldSockets.shared. */
  readonly shared: boolean
  /**
   * Sockets for worker `index` (1 to workers), which belong to the worker from then on; a BoundSocket moves.
   */
  lend(index: number): readonly (number | BoundSocket)[]
  /** Closes main's descriptors. Connections that wait in a queue that nobody else holds either are reset. */
  close(): void
}

/** Makes a second descriptor of the same socket, close-on-exec. */
export type Duplicate = (descriptor: number) => number

/** A listening address that cannot be bound; `cause` is the system's error, and `code` its errno name. */
export class BindError extends CodedError {
  readonly address: ListenAddress

  constructor(address: ListenAddress, code: Errno, cause: unknown) {
    super(code, 'internal', `cannot listen on ${address.host} port ${address.port}: ${code}`, cause)
    this.address = address
  }
}

/**
 * Binds `workers` sockets to one address. First it binds once without SO_REUSEPORT: who joins a port without
 * asking shares its connections with a stranger. `beside`: the process that this one takes over from has the
 * port and has agreed. `duplicate` null: there are none, each socket is lent once and its queue is lost with
 * its worker. Throws BindError.
 */
export function bindListener(
  wanted: ListenAddress,
  workers: number,
  duplicate: Duplicate | null,
  beside = false,
): ListenerSockets {
  const host = bindOnce(wanted, beside)
  const sockets: BoundSocket[] = []
  let port = wanted.port
  try {
    for (let i = 0; i < workers; i++) {
      const socket = bind({ host, port }, true)
      sockets.push(socket)
      port = portOf(socket)
    }
  } catch (error) {
    for (const socket of sockets) socket.close()
    throw error
  }
  const address = { host, port }
  if (duplicate === null) return lendOnce(sockets, address)
  const close = () => {
    for (const socket of sockets) socket.close()
  }
  const descriptors = sockets.map((socket) => socket.fd())
  return lendDuplicates({ address, descriptors, shared: false, close }, workers, duplicate)
}

/** Sockets that are bound already, with their close(); there is at least one. */
export function lendDuplicates(
  held: Pick<ListenerSockets, 'address' | 'descriptors' | 'shared' | 'close'>,
  workers: number,
  duplicate: Duplicate,
): ListenerSockets {
  const { address, descriptors, shared, close } = held
  return {
    address,
    descriptors,
    shared,
    lend: (index) => socketsOf(descriptors, workers, index).map(duplicate),
    close,
  }
}

/**
 * The sockets that worker `index` of `workers` serves. Every socket is somebody's, because its queue is its
 * own, and every worker has one: fewer workers than sockets serve several, more workers share them.
 */
export function socketsOf(descriptors: readonly number[], workers: number, index: number): readonly number[] {
  const shared = descriptors[(index - 1) % descriptors.length]
  if (shared === undefined) throw new RangeError('a listener without a socket')
  return descriptors.length <= workers ? [shared] : descriptors.filter((_, i) => i % workers === index - 1)
}

/** A socket that was lent has moved to its worker and died with it: the successor gets a new one. */
function lendOnce(sockets: readonly BoundSocket[], address: ListenAddress): ListenerSockets {
  const waiting = new Map(sockets.map((socket, i) => [i + 1, socket]))
  return {
    address,
    descriptors: [],
    shared: false,
    lend(index) {
      const socket = waiting.get(index)
      waiting.delete(index)
      return [socket ?? bind(address, true)]
    },
    close() {
      for (const socket of waiting.values()) socket.close()
      waiting.clear()
    },
  }
}

/** Finds out whether the address can be had; returns the host to bind. */
function bindOnce(wanted: ListenAddress, reusePort: boolean): string {
  try {
    bind(wanted, reusePort).close()
    return wanted.host
  } catch (error) {
    // A host without IPv6: dual stack means IPv4 there.
    const noIpv6 =
      error instanceof BindError && (error.code === 'EAFNOSUPPORT' || error.code === 'EADDRNOTAVAIL')
    if (wanted.host !== '::' || !noIpv6) throw error
    bind({ host: '0.0.0.0', port: wanted.port }, reusePort).close()
    return '0.0.0.0'
  }
}

function bind(address: ListenAddress, reusePort: boolean): BoundSocket {
  try {
    return new BoundSocket({ ...address, reusePort })
  } catch (error) {
    throw new BindError(address, errnoOf(error), error)
  }
}

function portOf(socket: BoundSocket): number {
  const { port } = socket.address()
  if (typeof port !== 'number') throw new Error('a bound TCP socket without a port')
  return port
}
