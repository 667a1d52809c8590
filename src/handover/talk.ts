import { connect, type Socket } from 'node:net'
import { MSG_NOSIGNAL } from '../linux/constants.ts'
import { EAGAIN, EBADMSG, ECONNREFUSED, EINTR, errnoName } from '../linux/errno.ts'
import type { Fd } from '../linux/fd.ts'
import { type Credentials, type Libc, must } from '../linux/libc.ts'
import { unixAddress } from '../linux/unix-address.ts'
import { Inbox } from './inbox.ts'
import { encode, type Message, mostMessageBytes } from './message.ts'
import { descriptorOf, type Ends, endsOf } from './peer.ts'

/** One end of the conversation. Whoever opens it calls close(). */
export interface Talk {
  /** Who is at the other end; null: without koffi the kernel cannot be asked. */
  readonly peer: Credentials | null
  /** null: the kernel does not tell, or the other side has gone. */
  ends(): Ends | null
  send(message: Message): void
  /** The next message. `lookMs`: how often it looks where it cannot wait. Never rejects. */
  hear(limitMs: number, lookMs?: number): Promise<Heard>
  /** Hangs up. Descriptors that came and that no message has claimed are closed. */
  close(): void
}

export type Heard =
  /** `descriptors`, as many as the message counts, are the caller's to close. */
  | { readonly kind: 'message'; readonly message: Message; readonly descriptors: readonly Fd[] }
  | { readonly kind: 'unreadable'; readonly reason: string }
  /** The other side has hung up, or is dead. */
  | { readonly kind: 'gone' }
  /** Nothing came within the limit. */
  | { readonly kind: 'silent' }

export type Called =
  | { readonly kind: 'talk'; readonly talk: Talk }
  | { readonly kind: 'nobody' }
  | { readonly kind: 'failed'; readonly reason: string }

/** How long the other side may have more callers than it answers. */
const crowdedMs = 1_000

/** Calls whoever holds the abstract name `name` (without its leading zero). Never rejects. */
export async function call(name: string, libc: Libc | null): Promise<Called> {
  const untilMs = performance.now() + crowdedMs
  for (;;) {
    const called = libc === null ? await callByNode(name) : callByLibc(name, libc)
    const crowded = called.kind === 'failed' && called.reason === 'EAGAIN' // unix(7): the backlog is full
    if (!crowded || performance.now() >= untilMs) return called
    await new Promise((resolve) => setTimeout(resolve, soonMs))
  }
}

/**
 * How often a newcomer looks for an answer that it waits for; while it proves itself, it looks seldom. libuv
 * would drop the descriptors, and cannot wait for a socket of ours.
 */
const soonMs = 2

/** Over a socket of our own: the only one that descriptors can be received from. */
class LibcTalk implements Talk {
  readonly peer: Credentials
  readonly #libc: Libc
  readonly #fd: Fd
  readonly #inbox: Inbox

  constructor(libc: Libc, fd: Fd) {
    this.#libc = libc
    this.#fd = fd
    this.#inbox = new Inbox((descriptor) => libc.close(descriptor))
    this.peer = must('getsockopt(SO_PEERCRED)', libc.peerCredentials(fd))
  }

  ends(): Ends | null {
    return endsOf(this.#libc, this.#fd)
  }

  /** A few hundred bytes into an empty buffer: whole, or the other side is gone, which hear() finds out. */
  send(message: Message): void {
    const bytes = encode(message)
    const block = this.#libc.block(bytes.length)
    block.bytes.set(bytes)
    this.#libc.send(this.#fd, block, 0, block.size, MSG_NOSIGNAL)
  }

  async hear(limitMs: number, lookMs = soonMs): Promise<Heard> {
    const block = this.#libc.block(mostMessageBytes)
    const untilMs = performance.now() + limitMs
    for (;;) {
      const heard = this.#inbox.next()
      if (heard !== null) return heard
      const got = this.#libc.receiveDescriptors(this.#fd, block, 0, block.size)
      if (typeof got === 'object') {
        if (got.bytes === 0) return { kind: 'gone' }
        this.#inbox.put(block.bytes.subarray(0, got.bytes), got.descriptors)
      } else if (got === EBADMSG) {
        return { kind: 'unreadable', reason: 'more descriptors than this process may open' }
      } else if (got !== EAGAIN && got !== EINTR) {
        return { kind: 'gone' }
      } else if (performance.now() >= untilMs) {
        return { kind: 'silent' }
      } else {
        await new Promise((resolve) => setTimeout(resolve, lookMs))
      }
    }
  }

  close(): void {
    this.#inbox.close()
    this.#libc.close(this.#fd)
  }
}

/** Over node:net: for the side that sends descriptors, or where none are passed. */
export class NodeTalk implements Talk {
  readonly peer: Credentials | null
  readonly #socket: Socket
  readonly #libc: Libc | null
  readonly #inbox = new Inbox(() => {})
  #gone = false
  #wake: () => void = () => {}

  constructor(socket: Socket, peer: Credentials | null, libc: Libc | null = null) {
    this.#socket = socket
    this.#libc = libc
    this.peer = peer
    socket.on('data', (bytes: Buffer) => {
      this.#inbox.put(bytes, [])
      this.#wake()
    })
    socket.on('error', () => {}) // it closes
    socket.on('close', () => {
      this.#gone = true
      this.#wake()
    })
  }

  ends(): Ends | null {
    return this.#libc === null || this.#gone ? null : endsOf(this.#libc, descriptorOf(this.#socket))
  }

  send(message: Message): void {
    this.#socket.write(encode(message))
  }

  async hear(limitMs: number): Promise<Heard> {
    let silent = false
    // A process that was stopped for a while fires its timers before it reads: what has come by then was not
    // late.
    const timer = setTimeout(() => {
      setImmediate(() => {
        silent = true
        this.#wake()
      })
    }, limitMs)
    try {
      for (;;) {
        const heard = this.#inbox.next()
        if (heard !== null) return heard
        if (this.#gone) return { kind: 'gone' }
        if (silent) return { kind: 'silent' }
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    } finally {
      clearTimeout(timer)
    }
  }

  /** After what was sent. */
  close(): void {
    this.#socket.destroySoon()
  }
}

function callByLibc(name: string, libc: Libc): Called {
  const sockaddr = unixAddress(`@${name}`)
  if (sockaddr === null) return { kind: 'failed', reason: 'the name is too long' }
  const address = libc.block(sockaddr.length)
  address.bytes.set(sockaddr)
  const fd = libc.socket('unix')
  if (typeof fd === 'number') return { kind: 'failed', reason: errnoName(fd) }
  // Unix(7): a connect to a UNIX socket is never in progress
  const result = libc.connect(fd, address, address.size)
  if (result >= 0) return { kind: 'talk', talk: new LibcTalk(libc, fd) }
  libc.close(fd)
  return result === ECONNREFUSED ? { kind: 'nobody' } : { kind: 'failed', reason: errnoName(result) }
}

function callByNode(name: string): Promise<Called> {
  const { promise, resolve } = Promise.withResolvers<Called>()
  const socket = connect(`\0${name}`, () => resolve({ kind: 'talk', talk: new NodeTalk(socket, null) }))
  socket.once('error', ({ code }: NodeJS.ErrnoException) =>
    resolve(code === 'ECONNREFUSED' ? { kind: 'nobody' } : { kind: 'failed', reason: code ?? 'EIO' }),
  )
  return promise
}
