import { createServer, type Server, type Socket } from 'node:net'
import type { Log } from '../core/log.ts'
import type { Fd } from '../linux/fd.ts'
import type { Libc } from '../linux/libc.ts'
import { descriptorOf } from './peer.ts'

/** The name is busy until the process before has let go of it, or as long as a stranger has it. */
const retryMs = 1_000
/** Several newcomers at once are a crash loop; more than this are a mistake. */
const mostConnections = 16

export interface NameOptions {
  /** `spliceway` of `@spliceway`. */
  readonly name: string
  /** null: the socket can neither be kept nor handed over. */
  readonly libc: Libc | null
  readonly log: Log
  readonly called: (socket: Socket) => void
}

/**
 * The abstract name at which successors call. Its listening socket goes from process to process, and every
 * process that may still need it keeps a descriptor. So the name is never free while one of them lives, and
 * no stranger can take it between two of them.
 */
export class Name {
  readonly #options: NameOptions
  #server: Server | null = null
  #kept: Fd | null
  #retry: NodeJS.Timeout | null = null
  #warned = false
  #closed = false

  /** `inherited`: the process before had the name; it is closed with this object. */
  constructor(options: NameOptions, inherited: Fd | null) {
    this.#options = options
    this.#kept = inherited
  }

  /** Waits for calls, as soon as the name can be had. */
  open(): void {
    if (this.#closed || this.#server !== null) return
    const { name, libc, called } = this.#options
    const server = createServer(called)
    server.maxConnections = mostConnections
    server.on('error', (error: NodeJS.ErrnoException) => this.#failed(error))
    server.on('listening', () => this.#keep(server))
    this.#server = server
    const own = this.#kept === null || libc === null ? null : libc.duplicate(this.#kept.n)
    if (typeof own === 'object' && own !== null) server.listen({ fd: own.n })
    else server.listen(`\0${name}`)
  }

  /** To be handed over; null: there is none to hand over. It stays this object's. */
  get descriptor(): number | null {
    return this.#kept?.n ?? null
  }

  /**
   * Leaves calls to the next process. `handed`: it has the socket; otherwise the name is free from now on.
   */
  pause(handed: boolean): void {
    if (!handed) this.#drop()
    if (this.#retry !== null) clearTimeout(this.#retry)
    this.#server?.close()
    this.#server = null
  }

  /** Lets the name go. */
  close(): void {
    this.#closed = true
    this.pause(false)
  }

  #drop(): void {
    if (this.#kept !== null) this.#options.libc?.close(this.#kept)
    this.#kept = null
  }

  #keep(server: Server): void {
    const { libc } = this.#options
    if (libc === null || this.#kept !== null || server !== this.#server) return
    const kept = libc.duplicate(descriptorOf(server).n)
    if (typeof kept === 'object') this.#kept = kept
  }

  #failed(error: NodeJS.ErrnoException): void {
    const { name, log } = this.#options
    this.#server = null
    if (!this.#warned) {
      this.#warned = true
      log.warn(
        { name: `@${name}`, code: error.code },
        `cannot take the name @${name} (${error.code}): no successor can take over until that works; trying again every second`,
      )
    }
    this.#retry = setTimeout(() => this.open(), retryMs)
    this.#retry.unref()
  }
}
