import { BoundSocket } from 'node:net'

/** What a listening address is, as the configuration says it. */
export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/**
 * The listening sockets of one listener: one SO_REUSEPORT socket per worker. Main keeps each and lends the worker a
 * duplicate, so that a dead worker's accept queue waits for its successor.
 */
export interface ListenerSockets {
  /** As bound: port 0 is resolved, `::` has become `0.0.0.0` on a host without IPv6. */
  readonly address: ListenAddress
  /** A socket for worker `index` (1 to workers), which belongs to the worker from then on; a BoundSocket moves. */
  lend(index: number): number | BoundSocket
  /** Closes main's descriptors. Connections that wait in a queue that no worker holds either are reset. */
  close(): void
}

/** Makes a second descriptor of the same socket, close-on-exec. */
export type Duplicate = (descriptor: number) => number

/** A listening address that cannot be had; `cause` is the system's error with its code. */
export class BindError extends Error {
  readonly code: string
  readonly address: ListenAddress

  constructor(address: ListenAddress, code: string, cause: unknown) {
    super(`cannot listen on ${address.host} port ${address.port}: ${code}`, { cause })
    this.code = code
    this.address = address
  }
}

/**
 * Binds `workers` sockets to one address. First it binds once without SO_REUSEPORT: who joins a port without asking
 * shares its connections with a stranger. `duplicate` null: there are none, each socket is lent once and its queue is lost
 * with its worker. Throws BindError.
 */
export function bindListener(
  wanted: ListenAddress,
  workers: number,
  duplicate: Duplicate | null,
): ListenerSockets {
  const host = bindExclusively(wanted)
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
  return duplicate === null
    ? lendOnce(sockets, { host, port })
    : lendDuplicates(sockets, { host, port }, duplicate)
}

function lendDuplicates(
  sockets: readonly BoundSocket[],
  address: ListenAddress,
  duplicate: Duplicate,
): ListenerSockets {
  return {
    address,
    lend: (index) => duplicate(socketOf(sockets, index).fd()),
    close() {
      for (const socket of sockets) socket.close()
    },
  }
}

/** A socket that was lent has moved to its worker and died with it: the successor gets a new one. */
function lendOnce(sockets: readonly BoundSocket[], address: ListenAddress): ListenerSockets {
  const waiting = new Map(sockets.map((socket, i) => [i + 1, socket]))
  return {
    address,
    lend(index) {
      const socket = waiting.get(index)
      waiting.delete(index)
      return socket ?? bind(address, true)
    },
    close() {
      for (const socket of waiting.values()) socket.close()
      waiting.clear()
    },
  }
}

function bindExclusively(wanted: ListenAddress): string {
  try {
    bind(wanted, false).close()
    return wanted.host
  } catch (error) {
    // A host without IPv6: dual stack means IPv4 there.
    const noIpv6 =
      error instanceof BindError && (error.code === 'EAFNOSUPPORT' || error.code === 'EADDRNOTAVAIL')
    if (wanted.host !== '::' || !noIpv6) throw error
    bind({ host: '0.0.0.0', port: wanted.port }, false).close()
    return '0.0.0.0'
  }
}

function bind(address: ListenAddress, reusePort: boolean): BoundSocket {
  try {
    return new BoundSocket({ ...address, reusePort })
  } catch (error) {
    const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined
    throw new BindError(address, typeof code === 'string' ? code : 'unknown error', error)
  }
}

function portOf(socket: BoundSocket): number {
  const { port } = socket.address()
  if (typeof port !== 'number') throw new Error('a bound TCP socket without a port')
  return port
}

function socketOf(sockets: readonly BoundSocket[], index: number): BoundSocket {
  const socket = sockets[index - 1]
  if (socket === undefined) throw new RangeError(`no listening socket for worker ${index}`)
  return socket
}
