import { type SocketAddress, socketAddress } from '../../core/address.ts'
import type { Cancel, Wire } from '../plane.ts'
import type { Consumer, NetSocket } from './socket.ts'

/**
 * What a wire holds before its relay begins; reading stops there. The client's kernel buffer holds the rest.
 */
const maxHeldBytes = 64 * 1024

type Peeker = { readonly least: number; readonly done: (bytes: Uint8Array, ended: boolean) => void }

/**
 * A socket before its relay: it reads ahead into a bounded hold, so that a reset or an early request is
 * noticed.
 */
export class NetWire implements Wire, Consumer {
  #socket: NetSocket | null = null
  /**
   * The first #heldBytes of it; one buffer, so that a client that sends single bytes costs no object for
   * each.
   */
  #held: Buffer = nothing
  #heldBytes = 0
  #ended = false
  #peeker: Peeker | null = null
  #reset: (() => void) | null = null
  #remote: SocketAddress | null = null
  #local: SocketAddress | null = null

  /** Called once, by whoever makes the socket. */
  attach(socket: NetSocket): void {
    this.#socket = socket
  }

  get socket(): NetSocket {
    if (this.#socket === null) throw new Error('a wire without a socket')
    return this.#socket
  }

  get remote(): SocketAddress {
    this.#remote ??= address(this.socket.remoteAddress, this.socket.remotePort)
    return this.#remote
  }

  get local(): SocketAddress {
    this.#local ??= address(this.socket.localAddress, this.socket.localPort)
    return this.#local
  }

  peek(least: number, done: (bytes: Uint8Array, ended: boolean) => void): Cancel {
    const peeker: Peeker = { least, done }
    this.#peeker = peeker
    queueMicrotask(() => this.#show(peeker))
    return () => {
      if (this.#peeker === peeker) this.#peeker = null
    }
  }

  discard(count: number): void {
    this.#held = this.#held.subarray(count)
    this.#heldBytes -= count
  }

  onReset(fire: () => void): Cancel {
    this.#reset = fire
    return () => {
      if (this.#reset === fire) this.#reset = null
    }
  }

  /** libuv has no way to ask the kernel: what it has not read yet is not known. */
  untouched(): boolean {
    return this.#heldBytes === 0 && !this.#ended && !this.socket.destroyed
  }

  close(): void {
    this.#forget()
    this.socket.destroySoon()
  }

  reset(): void {
    this.#forget()
    this.socket.abort()
  }

  /** Ends the hold: hands over all that was read, and whether the peer has ended. */
  release(): { readonly held: Buffer | null; readonly ended: boolean } {
    this.#forget()
    const held = this.#heldBytes > 0 ? this.#held.subarray(0, this.#heldBytes) : null
    this.#held = nothing
    return { held, ended: this.#ended }
  }

  data(chunk: Buffer): boolean {
    this.#hold(chunk)
    if (this.#peeker !== null) this.#show(this.#peeker)
    return this.#heldBytes < maxHeldBytes
  }

  ended(): void {
    this.#ended = true
    if (this.#peeker !== null) this.#show(this.#peeker)
  }

  written(): void {
    // Nothing is sent before the relay.
  }

  destroyed(error: NodeJS.ErrnoException | null): void {
    const fire = this.#reset
    this.#forget()
    if (error !== null) fire?.()
  }

  #show(peeker: Peeker): void {
    if (this.#peeker !== peeker || (this.#heldBytes < peeker.least && !this.#ended)) return
    this.#peeker = null
    peeker.done(this.#held.subarray(0, this.#heldBytes), this.#ended)
  }

  #hold(chunk: Buffer): void {
    const bytes = this.#heldBytes + chunk.length
    if (bytes > this.#held.length) {
      const larger = Buffer.allocUnsafeSlow(
        this.#heldBytes === 0 ? bytes : Math.max(bytes, 2 * this.#heldBytes),
      )
      this.#held.copy(larger, 0, 0, this.#heldBytes)
      this.#held = larger
    }
    chunk.copy(this.#held, this.#heldBytes)
    this.#heldBytes = bytes
  }

  #forget(): void {
    this.#peeker = null
    this.#reset = null
  }
}

const nothing = Buffer.alloc(0)

/** A socket that was reset before anyone asked has no address any more. */
const unknown: SocketAddress = { family: 4, bytes: new Uint8Array(4), port: 0 }

function address(ip: string | undefined, port: number | undefined): SocketAddress {
  return (ip === undefined ? undefined : socketAddress(ip, port ?? 0)) ?? unknown
}
