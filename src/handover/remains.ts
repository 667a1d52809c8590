import { randomBytes } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'
import type { Libc } from '../linux/libc.ts'
import { credentialsOf, isTrusted } from './peer.ts'

/** How often the process after us hears what is left. */
const tellMs = 1_000
/** One successor, and those that follow it within the drain. */
const mostListeners = 16

/** What a process that has handed over still carries. */
export interface Left {
  readonly connections: number
  /** When it ends at the latest; null: it has not begun to drain, because its successor may still fail. */
  readonly endsInMs: number | null
}

export interface RemainsOptions {
  /** null: nobody's uid can be asked for; what is told stands on the TCP page too. */
  readonly libc: Libc | null
  readonly uid: number
  /** Version of the program. */
  readonly program: string
  readonly left: () => Left
}

/**
 * Tells whoever takes the place of this process what is left here, at an abstract name of its own: one JSON
 * object a line, at once and then every second. Whoever does not read misses lines; nobody is waited for.
 */
export class Remains {
  /** Without its leading zero: handed over with the sockets. */
  readonly name = `spliceway-left-${randomBytes(8).toString('hex')}`
  readonly #options: RemainsOptions
  readonly #listeners = new Set<Socket>()
  #server: Server | null = null
  #timer: NodeJS.Timeout | null = null

  constructor(options: RemainsOptions) {
    this.#options = options
  }

  open(): void {
    if (this.#server !== null) return
    const server = createServer((socket) => this.#called(socket))
    server.maxConnections = mostListeners
    server.on('error', () => {}) // nothing but a view of this process is lost
    server.listen(`\0${this.name}`)
    server.unref()
    this.#server = server
    this.#timer = setInterval(() => this.#tell(), tellMs)
    this.#timer.unref()
  }

  close(): void {
    this.#server?.close()
    this.#server = null
    if (this.#timer !== null) clearInterval(this.#timer)
    for (const socket of this.#listeners) socket.destroy()
  }

  #called(socket: Socket): void {
    const { libc, uid } = this.#options
    socket.on('error', () => {}) // it closes
    const peer = libc === null ? null : credentialsOf(libc, socket)
    if (typeof peer === 'number' || (peer !== null && !isTrusted(peer, uid))) {
      socket.destroy()
      return
    }
    this.#listeners.add(socket)
    socket.unref()
    socket.on('close', () => this.#listeners.delete(socket)).resume()
    socket.write(this.#line())
  }

  #tell(): void {
    const line = this.#line()
    for (const socket of this.#listeners) if (socket.writableLength === 0) socket.write(line)
  }

  #line(): string {
    const { program, left } = this.#options
    return `${JSON.stringify({ pid: process.pid, program, ...left() })}\n`
  }
}
