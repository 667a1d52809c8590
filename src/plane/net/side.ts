import type { RelayEnd } from '../plane.ts'
import type { Consumer, NetSocket } from './socket.ts'

/** What a side tells its relay. */
export interface SideOwner {
  /** The kernel has taken `count` bytes that were read from `from`. */
  moved(from: 'downstream' | 'upstream', count: number): void
  /** Bytes that wait for the kernel changed. */
  buffered(delta: number): void
  /** A side's FIN was read. */
  finRead(side: Side): void
  /** Ends both sides with RST. Only the first call counts. */
  fail(end: Omit<RelayEnd, 'bytesUp' | 'bytesDown' | 'halfClosed'>): void
  /** A descriptor was closed. */
  check(): void
}

/**
 * One socket of a relay. What it reads goes to its peer; what the peer reads is written here.
 *
 * Invariants: at most one write is pending, and while it is, the peer does not read. FIN is sent only after every byte
 * was taken by the kernel. After `sealed` nothing is written here any more, and what the peer reads is dropped.
 */
export class Side implements Consumer {
  readonly name: 'downstream' | 'upstream'
  readonly socket: NetSocket
  peer: Side = this
  /** The peer's FIN was read: everything it sent is known. */
  readEnded = false
  /** The descriptor is closed. */
  closed = false
  readonly #relay: SideOwner
  #sealed = false
  #pendingBytes = 0
  /** How many of the pending bytes are the relay's own header. */
  #headerBytes = 0
  /** FIN follows the pending write. */
  #finAfterWrite = false
  /** What the meter was told of the pending write. */
  #bufferedBytes = 0
  /** It was told to stop reading. */
  #paused = false
  /** The peer takes no more bytes: a write has failed. */
  #broken = false

  constructor(relay: SideOwner, name: 'downstream' | 'upstream', socket: NetSocket) {
    this.#relay = relay
    this.name = name
    this.socket = socket
  }

  get unsentBytes(): number {
    return this.socket.unsentBytes
  }

  /** Of the pending write, what the kernel has. */
  get takenBytes(): number {
    return this.#pendingBytes === 0 ? 0 : this.#pendingBytes - this.unsentBytes
  }

  /** Becomes the socket's consumer; what happened to it before is told now. */
  take(): void {
    this.socket.consumer = this
    if (this.socket.destroyed) this.destroyed(resetBefore)
  }

  /** Passes on what was read before the relay, after `header`, and goes on reading. */
  begin(held: Buffer | null, ended: boolean, header: Uint8Array | null): void {
    const { peer } = this
    if (header !== null) peer.#headerBytes = header.length
    const first = header === null ? held : held === null ? header : Buffer.concat([header, held])
    this.#paused = first !== null && !peer.#push(first)
    if (ended) this.ended()
    else if (!this.#paused) this.socket.resumeReading()
  }

  data(chunk: Buffer): boolean {
    this.#paused = !this.peer.#push(chunk)
    return !this.#paused
  }

  ended(): void {
    if (this.readEnded) return
    this.readEnded = true
    this.#relay.finRead(this)
    this.peer.seal()
    this.#closeIfOver()
  }

  written(error: NodeJS.ErrnoException | null): void {
    if (error === null) {
      this.#settle(true)
      if (this.#finAfterWrite) this.#fin()
      this.peer.#resume()
    } else {
      this.#settle(false)
      this.#breakOff(error)
    }
  }

  destroyed(error: NodeJS.ErrnoException | null): void {
    if (this.closed) return
    this.closed = true
    this.#settle(false)
    if (error !== null) this.#relay.fail(this.#resetEnd(error))
    this.#relay.check()
  }

  /** FIN to this socket once all that was read for it has been written; nothing more is written after it. */
  seal(): void {
    if (this.#sealed) return
    this.#sealed = true
    if (this.#pendingBytes > 0) this.#finAfterWrite = true
    else this.#fin()
  }

  abort(): void {
    this.socket.abort()
  }

  /** Writes what the peer has read. False: it is pending, the peer must not read. */
  #push(chunk: Uint8Array): boolean {
    if (this.#sealed) return true
    this.#pendingBytes = chunk.length
    if (this.socket.send(chunk)) {
      this.#settle(true)
      return true
    }
    this.#relay.buffered(chunk.length)
    this.#bufferedBytes = chunk.length
    return false
  }

  #settle(delivered: boolean): void {
    const count = this.#pendingBytes - this.#headerBytes
    this.#pendingBytes = 0
    this.#headerBytes = 0
    if (delivered) this.#relay.moved(this.peer.name, count)
    if (this.#bufferedBytes > 0) this.#relay.buffered(-this.#bufferedBytes)
    this.#bufferedBytes = 0
  }

  #resume(): void {
    if (!this.#paused) return
    this.#paused = false
    if (!this.readEnded) this.socket.resumeReading()
  }

  #fin(): void {
    this.#finAfterWrite = false
    if (!this.socket.destroyed) this.socket.end()
  }

  /**
   * A write failed. EPIPE: this peer had ended cleanly before it reset (tcp_reset() in CLOSE_WAIT), so what it sent is
   * still read to its end and delivered, and only then it is over. Anything else is a reset that nothing preceded.
   */
  #breakOff(error: NodeJS.ErrnoException): void {
    if (error.code !== 'EPIPE') {
      this.#relay.fail(this.#resetEnd(error))
      return
    }
    this.#sealed = true
    this.#finAfterWrite = false
    this.#broken = true
    this.peer.#resume()
    this.#closeIfOver()
  }

  /** A socket that can no longer be written does not end by itself once it is read to its end. */
  #closeIfOver(): void {
    if (this.#broken && this.readEnded) this.socket.destroy()
  }

  #resetEnd(error: NodeJS.ErrnoException): Parameters<SideOwner['fail']>[0] {
    const first = this.name === 'downstream' ? 'client' : 'server'
    const code = error.code ?? 'ECONNRESET'
    const vanished = code === 'ETIMEDOUT' || code === 'EHOSTUNREACH' // keepalive gave up
    return {
      kind: vanished ? 'idle' : 'reset',
      side: this.name,
      code,
      closed: { first, how: vanished ? 'timeout' : 'rst' },
    }
  }
}

const resetBefore: NodeJS.ErrnoException = Object.assign(new Error('reset before the relay'), {
  code: 'ECONNRESET',
})
