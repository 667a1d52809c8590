import { Socket } from 'node:net'
import { type Buffers, readSize } from './buffers.ts'
import { handleOf, isPipe, type TcpHandle } from './handle.ts'
import { type ChunkConsumer, Reader } from './reader.ts'

/** Whoever owns a socket at the moment: a dial, a wire before the relay, a relay's side after. */
export interface Consumer extends ChunkConsumer {
  /** The peer's FIN, after all its data. */
  ended(): void
  /**
   * A write that send() left pending is done (null) or has failed. A failed write does not end the reading.
   */
  written(error: NodeJS.ErrnoException | null): void
  /** The descriptor is closed; `error` is why, unless it was asked for. Called once. */
  destroyed(error: NodeJS.ErrnoException | null): void
}

type WriteDone = (error?: Error | null) => void

/**
 * A net.Socket whose reads go to a Consumer without passing the stream's own buffer, and whose failed writes
 * do not destroy it: bytes that the peer sent ahead of its reset can still be read (case 9 of
 * docs/contract.md).
 */
export class NetSocket extends Socket {
  readonly #reader: Reader<Consumer>
  #writeDone: WriteDone | null = null
  #writeError: NodeJS.ErrnoException | null = null
  #sending = false
  /**
   * The connect was answered and then reset, before libuv looked: what came in between is still to be read.
   */
  #resetEarly: NodeJS.ErrnoException | null = null
  readonly #settled = (error?: NodeJS.ErrnoException | null): void => this.#settle(error ?? null)

  /**
   * `handle`: an accepted connection, whose reading begins at once; without it the socket is for connect().
   */
  constructor(buffers: Buffers, consumer: Consumer, handle?: TcpHandle) {
    const reader = new Reader(buffers, consumer)
    // Node's own type of `handle` is net.BoundSocket; net.Server passes a TCP handle here, as we do.
    const accepted: object = handle === undefined ? { noDelay: true } : { handle }
    // One pending write is at most one read buffer and a header; above the mark, write() would wait for a
    // drain event.
    const stream = { allowHalfOpen: true, writableHighWaterMark: 4 * readSize }
    super({ ...accepted, ...stream, onread: reader.onread })
    this.#reader = reader
    if (handle !== undefined) this.setNoDelay(true)
    this.on('end', () => this.#ended())
  }

  get consumer(): Consumer {
    return this.#reader.consumer
  }

  set consumer(consumer: Consumer) {
    this.#reader.consumer = consumer
  }

  /**
   * Writes `chunk`, which must stay untouched while pending. False: it is pending, and written() will be
   * called.
   */
  send(chunk: Uint8Array): boolean {
    this.#sending = true
    this.write(chunk)
    this.#sending = false
    if (this.#writeError !== null) queueMicrotask(() => this.#failWrite())
    return this.#writeDone === null && this.#writeError === null
  }

  /**
   * Bytes of the pending write that the kernel has not taken yet; a FIN that is on its way to the kernel
   * counts as one byte.
   */
  get unsentBytes(): number {
    const fin = this.writableEnded && !this.writableFinished && !this.destroyed ? 1 : 0
    return this.#writeDone === null ? fin : (handleOf(this)?.writeQueueSize ?? 0) + fin
  }

  /** -1: it has none yet, or it is closed. */
  get descriptor(): number {
    return handleOf(this)?.fd ?? -1
  }

  resumeReading(): void {
    if (!this.destroyed) this.resume().read(0)
  }

  /** RST, and the descriptor is closed. A UNIX socket knows no RST: its peer sees an end. */
  abort(): void {
    if (this.destroyed) return
    if (isPipe(this)) {
      this.destroy()
      return
    }
    // libuv refuses SO_LINGER while a shutdown() is under way; that lasts until the next turn of the loop.
    if (this.writableEnded && !this.writableFinished) this.once('finish', () => this.resetAndDestroy())
    else this.resetAndDestroy()
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, done: WriteDone): void {
    this.#writeDone = done
    super._write(chunk, encoding, this.#settled)
  }

  /**
   * libuv asks a connecting socket for SO_ERROR first, and Node destroys it when there is one. But
   * ECONNRESET, or EPIPE after a FIN, says that the peer had answered: what it sent before its reset is in
   * the kernel, and the handle still reads.
   */
  override destroy(error?: NodeJS.ErrnoException): this {
    const answered = error?.syscall === 'connect' && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
    if (error === undefined || !answered || this.#resetEarly !== null) return super.destroy(error)
    this.#resetEarly = error
    this.read(0)
    return this
  }

  override _destroy(error: NodeJS.ErrnoException | null, done: (error?: Error | null) => void): void {
    super._destroy(error, () => done(null)) // destroyed() tells the error; an 'error' event could be missed
    this.#reader.close()
    const { consumer } = this.#reader
    // A closed socket may stay in memory until the next full collection: V8 puts `state.onwrite = (er) =>
    // ...` of Node's WritableState into the old generation until that constructor is optimized. The relay
    // must not stay with it.
    this.#reader.consumer = nobody
    consumer.destroyed(error)
  }

  /** SO_ERROR has taken the error: where no FIN came before it, what read() calls the end is the reset. */
  #ended(): void {
    if (this.#resetEarly?.code === 'ECONNRESET') this.destroy(this.#resetEarly)
    else this.consumer.ended()
  }

  #settle(error: NodeJS.ErrnoException | null): void {
    const done = this.#writeDone
    this.#writeDone = null
    this.#writeError = error
    done?.(null) // a failed write must not destroy the stream
    if (this.#sending) return
    if (error === null) this.consumer.written(null)
    else this.#failWrite()
  }

  #failWrite(): void {
    const error = this.#writeError
    this.#writeError = null
    if (error !== null && !this.destroyed) this.consumer.written(this.#resetEarly ?? error)
  }
}

const nobody: Consumer = { data: () => true, ended() {}, written() {}, destroyed() {} }
