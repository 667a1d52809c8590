import type { Consumer, NetSocket } from './socket.ts'

/** What a side reports to its relay. */
export interface SideOwner {
  /** The kernel has taken `count` bytes that were read from `from`. */
  moved(from: 'downstream' | 'upstream', count: number): void
  /** Bytes that wait for the kernel changed. */
  buffered(delta: number): void
  /**
   * The errno name of the reset that hides behind an end that was read; null: it was a clean end, as far as
   * this host can tell.
   */
  hiddenError(side: Side): string | null
  /** A side's FIN was read. */
  finRead(side: Side): void
  /**
   * A side's peer has reset, or vanished: once, as soon as it is known. What it sent before may still have to
   * be read. EPIPE: it had ended cleanly before (tcp_reset() in CLOSE_WAIT).
   */
  lost(side: Side, error: NodeJS.ErrnoException): void
  /** A descriptor was closed. */
  check(): void
}

/** What may still be written to a side. */
type Writing =
  | { readonly kind: 'open' }
  /** FIN follows the pending write. */
  | { readonly kind: 'sealing' }
  /** FIN was sent. */
  | { readonly kind: 'sealed' }
  /** Its peer takes no more bytes and sends no more, because of `error`. */
  | { readonly kind: 'lost'; readonly error: NodeJS.ErrnoException }

const open: Writing = { kind: 'open' }
const sealing: Writing = { kind: 'sealing' }
const sealed: Writing = { kind: 'sealed' }

/**
 * One socket of a relay. What it reads goes to its peer; what the peer reads is written here.
 *
 * Invariants: at most one write is pending, and while it is, the peer does not read. FIN is sent only after
 * every byte was taken by the kernel. Once it is not `open` nothing is written here any more, and what the
 * peer reads is dropped. Of a side that is lost everything that its peer sent is read before the descriptor
 * is closed.
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
  #writing: Writing = open
  #pendingBytes = 0
  /** How many of the pending bytes are the relay's own header. */
  #headerBytes = 0
  /** What the meter was told of the pending write. */
  #bufferedBytes = 0
  /** It was told to stop reading. */
  #paused = false

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

  take(): void {
    this.socket.consumer = this
  }

  /**
   * Passes on what was read before the relay, after `header`, and goes on reading. A reset of before is told
   * now.
   */
  begin(held: Buffer | null, ended: boolean, header: Uint8Array | null): void {
    const { peer } = this
    if (header !== null) peer.#headerBytes = header.length
    const first = header === null ? held : held === null ? header : Buffer.concat([header, held])
    this.#paused = first !== null && !peer.#push(first)
    if (ended) this.ended()
    else if (!this.#paused) this.socket.resumeReading()
    if (this.socket.destroyed) this.destroyed(resetBefore)
  }

  /**
   * Finds out whether a peer that nobody reads from has reset: a write of nothing takes the socket's error
   * and sends no segment. Whoever reads, or has a write pending, is told by libuv.
   */
  probe(): void {
    const unwatched = this.#paused || this.readEnded
    const quiet = this.#writing.kind === 'open' && this.#pendingBytes === 0
    if (unwatched && quiet && !this.socket.destroyed) this.socket.send(nothing)
  }

  data(chunk: Buffer): boolean {
    this.#paused = !this.peer.#push(chunk)
    return !this.#paused
  }

  ended(): void {
    if (this.readEnded || this.closed) return
    const hidden = this.#writing.kind === 'lost' ? null : this.#relay.hiddenError(this)
    if (hidden !== null) this.#lose(Object.assign(new Error('hidden behind an end'), { code: hidden }))
    const writing = this.#writing
    // The write that failed has taken the error out of the socket: what read() calls the end now is the
    // reset.
    if (writing.kind === 'lost' && writing.error.code !== 'EPIPE') {
      this.socket.destroy()
      return
    }
    this.readEnded = true
    this.#relay.finRead(this)
    this.peer.seal()
    this.#closeIfOver()
  }

  written(error: NodeJS.ErrnoException | null): void {
    if (error === null) {
      this.#settle(true)
      if (this.#writing.kind === 'sealing') this.#fin()
      this.peer.#resume()
    } else {
      this.#settle(false)
      this.#lose(error)
    }
  }

  destroyed(error: NodeJS.ErrnoException | null): void {
    if (this.closed) return
    this.closed = true
    this.#settle(false)
    if (error !== null) this.#lose(error)
    this.#relay.check()
  }

  /** FIN to this socket once all that was read for it has been written; nothing more is written after it. */
  seal(): void {
    if (this.#writing.kind !== 'open') return
    if (this.#pendingBytes > 0) this.#writing = sealing
    else this.#fin()
  }

  abort(): void {
    this.socket.abort()
  }

  /** Writes what the peer has read. False: it is pending, the peer must not read. */
  #push(chunk: Uint8Array): boolean {
    if (this.#writing.kind !== 'open') return true
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
    this.#writing = sealed
    if (!this.socket.destroyed) this.socket.end()
  }

  /** What is read from it still goes to its peer; what its peer sends is dropped. */
  #lose(error: NodeJS.ErrnoException): void {
    if (this.#writing.kind === 'lost') return
    this.#writing = { kind: 'lost', error }
    this.#relay.lost(this, error)
    this.peer.#resume()
    this.#closeIfOver()
  }

  /** A socket that can no longer be written does not end by itself once it is read to its end. */
  #closeIfOver(): void {
    if (this.#writing.kind === 'lost' && this.readEnded) this.socket.destroy()
  }
}

const nothing = new Uint8Array(0)

const resetBefore: NodeJS.ErrnoException = Object.assign(new Error('reset before the relay'), {
  code: 'ECONNRESET',
})
