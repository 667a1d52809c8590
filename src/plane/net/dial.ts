import { formatIp, type SocketAddress } from '../../core/address.ts'
import type { Cancel, Dialed, DialOptions } from '../plane.ts'
import type { Buffers } from './buffers.ts'
import { NetSocket } from './socket.ts'
import { NetWire } from './wire.ts'

/** Plane.dial over net.Socket.connect(). */
export function dial(
  buffers: Buffers,
  endpoint: SocketAddress,
  options: DialOptions,
  done: (result: Dialed<NetWire>) => void,
): Cancel {
  const wire = new NetWire()
  const attempt = new Attempt(wire, done)
  const socket = new NetSocket(buffers, attempt)
  wire.attach(socket)
  attempt.begin(socket, endpoint, options)
  return () => attempt.cancel(socket)
}

class Attempt {
  readonly #wire: NetWire
  #done: ((result: Dialed<NetWire>) => void) | null

  constructor(wire: NetWire, done: (result: Dialed<NetWire>) => void) {
    this.#wire = wire
    this.#done = done
  }

  begin(socket: NetSocket, endpoint: SocketAddress, { source }: DialOptions): void {
    const target = { host: formatIp(endpoint), port: endpoint.port, autoSelectFamily: false }
    const options = source === null ? target : { ...target, localAddress: source }
    socket.connect(options, () => {
      socket.consumer = this.#wire
      this.#settle({ kind: 'connected', wire: this.#wire })
    })
  }

  cancel(socket: NetSocket): void {
    if (this.#done === null) return
    this.#done = null
    socket.destroy()
  }

  data(): boolean {
    return false // nothing is read before the connect callback has put the wire in our place
  }

  ended(): void {}

  written(): void {}

  destroyed(error: NodeJS.ErrnoException | null): void {
    this.#settle({ kind: 'failed', code: error?.code ?? 'ECANCELED' })
  }

  #settle(result: Dialed<NetWire>): void {
    const done = this.#done
    this.#done = null
    done?.(result)
  }
}
