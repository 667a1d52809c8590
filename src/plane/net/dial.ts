import { type EndpointAddress, formatIp } from '../../core/address.ts'
import type { Cancel, Dialed, DialOptions } from '../plane.ts'
import type { Buffers } from './buffers.ts'
import type { Tune } from './handle.ts'
import { NetSocket } from './socket.ts'
import { NetWire } from './wire.ts'

/** Plane.dial over net.Socket.connect(). */
export function dial(
  buffers: Buffers,
  tune: Tune | null,
  endpoint: EndpointAddress,
  options: DialOptions,
  done: (result: Dialed<NetWire>) => void,
): Cancel {
  const wire = new NetWire()
  const attempt = new Connecting(wire, tune, done)
  const socket = new NetSocket(buffers, attempt)
  wire.attach(socket)
  attempt.begin(endpoint, options)
  return () => attempt.cancel()
}

class Connecting {
  readonly #wire: NetWire
  readonly #tune: Tune | null
  #done: ((result: Dialed<NetWire>) => void) | null

  constructor(wire: NetWire, tune: Tune | null, done: (result: Dialed<NetWire>) => void) {
    this.#wire = wire
    this.#tune = tune
    this.#done = done
  }

  begin(endpoint: EndpointAddress, { source, transparent }: DialOptions): void {
    const { socket } = this.#wire
    if (transparent) {
      // node:net makes the socket inside connect(): there is no moment for its options.
      const error = new Error('node:net cannot connect from an address of others')
      setImmediate(() => socket.destroy(Object.assign(error, { code: 'ENOTSUP' })))
      return
    }
    const connected = (): void => {
      // Early enough: a reset that has come already shows when the socket is read.
      this.#tune?.(socket.descriptor)
      this.#connected()
    }
    if (endpoint.family === 'unix') {
      socket.connect({ path: endpoint.path.replace(/^@/, '\0') }, connected)
      return
    }
    const target = { host: formatIp(endpoint), port: endpoint.port, autoSelectFamily: false }
    socket.connect(source === null ? target : { ...target, localAddress: formatIp(source) }, connected)
  }

  cancel(): void {
    if (this.#done === null) return
    this.#done = null
    this.#wire.socket.destroy()
  }

  /** Before the connect callback: it was answered, and reset at once. The bytes make it a connection. */
  data(chunk: Buffer): boolean {
    const { socket } = this.#wire
    socket.consumer = this.#wire
    // Not from inside a read: the relay begins with what the wire holds.
    queueMicrotask(() => this.#connected())
    return this.#wire.data(chunk)
  }

  /** Answered, ended and reset without a byte: it may be tried elsewhere. */
  ended(): void {
    this.#wire.socket.destroy()
    this.#settle({ kind: 'failed', code: 'ECONNRESET' })
  }

  written(): void {}

  destroyed(error: NodeJS.ErrnoException | null): void {
    this.#settle({ kind: 'failed', code: error?.code ?? 'ECANCELED' })
  }

  #connected(): void {
    this.#wire.socket.consumer = this.#wire
    this.#settle({ kind: 'connected', wire: this.#wire })
  }

  #settle(result: Dialed<NetWire>): void {
    const done = this.#done
    this.#done = null
    done?.(result)
  }
}
