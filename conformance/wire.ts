import {
  IPPROTO_TCP,
  MSG_NOSIGNAL,
  MSG_PEEK,
  SO_ERROR,
  SOL_SOCKET,
  TCP_NODELAY,
  TCP_QUICKACK,
} from '../src/linux/constants.ts'
import { EAGAIN } from '../src/linux/errno.ts'
import type { Fd } from '../src/linux/fd.ts'
import { Fault } from './case.ts'
import type { Sockets } from './sockets.ts'
import { patienceMs, until } from './until.ts'

const MSG_OOB = 1
const SO_RCVBUF = 8

/** How a connection ended for the side that looks. */
export type Ending = 'FIN' | 'RST'

/** One end of a TCP connection. It reads only when told to. */
export class Wire {
  /** For messages: `the client` or `the server`. */
  readonly name: string
  readonly #sockets: Sockets
  readonly #fd: Fd
  #chunks: Buffer[] = []
  #size = 0
  #ending: Ending | null = null
  /** A send has met the reset; the kernel has no error any more, and would call the end a clean one. */
  #broken: boolean

  constructor(name: string, sockets: Sockets, fd: Fd, broken = false) {
    this.name = name
    this.#sockets = sockets
    this.#fd = fd
    this.#broken = broken
  }

  /** null: not over yet, as far as was read. */
  get ending(): Ending | null {
    return this.#ending
  }

  /** Bytes that were read and not taken. */
  get size(): number {
    return this.#size
  }

  /** Reads once. True when something came: bytes or the end. */
  read(most = this.#sockets.transfer.size): boolean {
    if (this.#ending !== null) return false
    const { libc, transfer } = this.#sockets
    const count = libc.recv(this.#fd, transfer, 0, Math.min(most, transfer.size), 0)
    if (count === EAGAIN) return false
    if (count > 0) {
      this.#chunks.push(Buffer.from(transfer.bytes.subarray(0, count)))
      this.#size += count
    } else {
      this.#ending = count < 0 || this.#broken ? 'RST' : 'FIN'
    }
    return true
  }

  /** Takes exactly so many bytes. Throws Fault when the connection ends before, or for `limitMs` nothing comes. */
  async take(count: number, limitMs = patienceMs): Promise<Buffer> {
    while (this.#size < count) {
      if (this.#ending !== null) {
        throw new Fault(`${this.name} saw ${this.#ending} after ${this.#size} of ${count} bytes`)
      }
      await until(
        () => this.read() || undefined,
        `${this.name} received ${this.#size} of ${count} bytes, and nothing more`,
        limitMs,
      )
    }
    const all = Buffer.concat(this.#chunks)
    this.#chunks = [all.subarray(count)]
    this.#size -= count
    return all.subarray(0, count)
  }

  /** Takes everything up to the end. Throws Fault when for `limitMs` neither comes. */
  async rest(limitMs = patienceMs): Promise<{ bytes: Buffer; ending: Ending }> {
    while (this.#ending === null) {
      await until(
        () => this.read() || undefined,
        `${this.name} received ${this.#size} bytes, and then neither more nor an end`,
        limitMs,
      )
    }
    const bytes = Buffer.concat(this.#chunks)
    this.#chunks = []
    this.#size = 0
    return { bytes, ending: this.#ending }
  }

  async ended(limitMs = patienceMs): Promise<Ending> {
    return (await this.rest(limitMs)).ending
  }

  /** What the kernel takes now, in bytes; null: the connection is broken. */
  offer(bytes: Uint8Array, flags = 0): number | null {
    const { libc, transfer } = this.#sockets
    const count = Math.min(bytes.length, transfer.size)
    transfer.bytes.set(bytes.subarray(0, count))
    const sent = libc.send(this.#fd, transfer, 0, count, MSG_NOSIGNAL | flags)
    if (sent >= 0) return sent
    if (sent === EAGAIN) return 0
    this.#broken = true
    return null
  }

  /** Resolves when the kernel has taken all of it. Throws Fault when the connection breaks, or for 10 s it takes nothing. */
  async send(data: Uint8Array | string): Promise<void> {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data
    for (let at = 0; at < bytes.length; ) {
      at += await until(() => {
        const sent = this.offer(bytes.subarray(at))
        if (sent === null) throw new Fault(`${this.name} was cut off after ${at} of ${bytes.length} bytes`)
        return sent > 0 ? sent : undefined
      }, `${this.name} could send ${at} of ${bytes.length} bytes, and nothing more`)
    }
  }

  /** Sends until for `quietMs` nothing was taken, or all is sent. Resolves with what was. */
  async fill(bytes: Buffer, quietMs: number): Promise<Buffer> {
    let sent = 0
    let movedMs = performance.now()
    while (sent < bytes.length && performance.now() - movedMs < quietMs) {
      const count = this.offer(bytes.subarray(sent))
      if (count === null) throw new Fault(`${this.name} was cut off after ${sent} bytes`)
      if (count > 0) movedMs = performance.now()
      sent += count
      if (count === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    }
    return bytes.subarray(0, sent)
  }

  /** One urgent byte: send(MSG_OOB). */
  urge(byte: string): void {
    this.offer(Buffer.from(byte), MSG_OOB)
  }

  /** An urgent byte that is beside the stream; null: there is none. */
  urgent(): string | null {
    const { libc, transfer } = this.#sockets
    return libc.recv(this.#fd, transfer, 0, 1, MSG_OOB) === 1 ? transfer.bytes.toString('latin1', 0, 1) : null
  }

  /** Bytes wait in the kernel that nobody has read. */
  get hasUnread(): boolean {
    const { libc, transfer } = this.#sockets
    return libc.recv(this.#fd, transfer, 0, 1, MSG_PEEK) > 0
  }

  /** Bytes that were sent and that the other end's kernel does not have yet. */
  get unacknowledged(): number {
    return this.#sockets.libc.unacknowledged(this.#fd.n)
  }

  /** The kernel has heard a reset that no call has reported yet. Forgets it. */
  takeError(): boolean {
    const broken = this.#sockets.libc.getOption(this.#fd, SOL_SOCKET, SO_ERROR) > 0
    this.#broken ||= broken
    return broken
  }

  /** Nagle's algorithm; off from the start. */
  set nagle(on: boolean) {
    this.#sockets.libc.setOption(this.#fd, IPPROTO_TCP, TCP_NODELAY, on ? 0 : 1)
  }

  /** ACKs wait from now on for data to ride on, 40 ms at least. The kernel may go back to quick ones by itself. */
  delayAcks(): void {
    this.#sockets.libc.setOption(this.#fd, IPPROTO_TCP, TCP_QUICKACK, 0)
  }

  /** A small window: the other side is held back early. */
  narrow(bytes: number): void {
    this.#sockets.libc.setOption(this.#fd, SOL_SOCKET, SO_RCVBUF, bytes)
  }

  /** FIN, after what was sent. It goes on reading. */
  fin(): void {
    this.#sockets.libc.shutdownWrite(this.#fd)
  }

  /** RST; what is unsent is dropped. */
  reset(): void {
    this.#sockets.libc.resetOnClose(this.#fd)
    this.close()
  }

  /** close(2): FIN, or RST when something is unread. */
  close(): void {
    this.#sockets.libc.close(this.#fd)
  }
}
