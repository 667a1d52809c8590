import type { Server } from 'node:http'
import { joinHostPort } from '../core/address.ts'
import { adminServer } from './admin-server.ts'
import type { AdminActions, AdminSource } from './admin-source.ts'
import { listenUnix } from './unix-listen.ts'

export type { AdminActions, AdminSource, Answer, EndpointAction, Verdict } from './admin-source.ts'

export interface AdminOptions {
  readonly app: AdminSource & AdminActions
  /** null: no UNIX socket. Its folder must exist. */
  readonly socketPath: string | null
  /** `host` is a literal address; null: no TCP page. */
  readonly listen: { readonly host: string; readonly port: number } | null
  /** Says who holds a port (`held by nginx (pid 12), uid 0`), or undefined when nobody does. */
  readonly holder: (port: number) => Promise<string | undefined>
  readonly log: AdminLog
}

export interface AdminLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

export interface Admin {
  readonly socketPath: string | null
  /** `127.0.0.1:9981` as bound; null: off, or the port is still taken. */
  address(): string | null
  /** Closes both doors and removes the socket file. Connections are cut. */
  close(): Promise<void>
}

/** A process that hands over to us frees the port when it ends. */
const retryMs = 1_000

/**
 * Opens the admin pages: reading over TCP, changes over the UNIX socket. Rejects when the UNIX socket cannot be had; a TCP
 * port that is taken is not an error (during a hand-over the old process has it): it warns once and tries again every
 * second. Resolves after the first try.
 */
export async function startAdmin(options: AdminOptions): Promise<Admin> {
  const { app, socketPath, listen, log } = options
  const failed = (err: unknown, path: string) => log.warn({ err, path }, 'an admin page failed')
  const socketDoor = socketPath === null ? null : adminServer(app, 'socket', failed)
  if (socketDoor !== null && socketPath !== null) {
    await listenUnix(socketDoor, socketPath)
    log.info({ socket: socketPath }, 'admin socket open')
  }
  const tcpDoor = listen === null ? null : new TcpDoor(adminServer(app, 'tcp', failed), listen, options)
  await tcpDoor?.open()
  return {
    socketPath,
    address: () => tcpDoor?.address() ?? null,
    async close() {
      await Promise.all([tcpDoor?.close(), socketDoor && closed(socketDoor)])
    },
  }
}

class TcpDoor {
  readonly #server: Server
  readonly #listen: { readonly host: string; readonly port: number }
  readonly #holder: AdminOptions['holder']
  readonly #log: AdminLog
  #warned = false
  #closed = false
  #retry: NodeJS.Timeout | null = null

  constructor(
    server: Server,
    listen: { readonly host: string; readonly port: number },
    options: AdminOptions,
  ) {
    this.#server = server
    this.#listen = listen
    this.#holder = options.holder
    this.#log = options.log
  }

  /** Resolves after one try, whatever came of it. */
  async open(): Promise<void> {
    const error = await tryListen(this.#server, this.#listen)
    if (error === null) {
      if (this.#closed) return closed(this.#server)
      this.#log.info({ address: this.address() }, 'admin page open')
      return
    }
    if (!this.#warned) {
      this.#warned = true
      await this.#warn(error)
    }
    if (this.#closed) return
    this.#retry = setTimeout(() => void this.open(), retryMs)
    this.#retry.unref()
  }

  address(): string | null {
    const address = this.#server.address()
    return address === null || typeof address === 'string'
      ? null
      : joinHostPort(address.address, address.port)
  }

  async close(): Promise<void> {
    this.#closed = true
    if (this.#retry !== null) clearTimeout(this.#retry)
    await closed(this.#server)
  }

  async #warn(error: NodeJS.ErrnoException): Promise<void> {
    const { host, port } = this.#listen
    const holder = error.code === 'EADDRINUSE' ? await this.#holder(port) : undefined
    this.#log.warn(
      { address: joinHostPort(host, port), code: error.code, ...(holder === undefined ? {} : { holder }) },
      'cannot open the admin page; trying again every second ("admin: { listen: … }" changes the address)',
    )
  }
}

/** null: bound. */
function tryListen(
  server: Server,
  listen: { readonly host: string; readonly port: number },
): Promise<NodeJS.ErrnoException | null> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.ErrnoException | null>()
  const failed = (error: NodeJS.ErrnoException) => resolve(error)
  server.once('error', failed)
  server.listen({ host: listen.host, port: listen.port }, () => {
    server.off('error', failed)
    resolve(null)
  })
  return promise
}

/** Cuts connections, then waits for the end. Does nothing to a server that does not listen. */
function closed(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  server.close(() => resolve())
  server.closeAllConnections()
  return promise
}
