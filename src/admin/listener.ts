import { joinHostPort } from '../core/address.ts'
import type { HolderOf } from '../core/holder.ts'
import type { Log } from '../core/log.ts'
import { tcpListenerName, unixListenerName } from './listener-name.ts'
import type { AdminServer } from './server.ts'
import { listenUnix } from './unix-listen.ts'

/** A process that hands over to us frees the port when it ends. */
const retryMs = 1_000

/** An admin listener, which can be closed and opened again. */
export interface AdminListener {
  /** As in listener-name.ts. */
  readonly name: string | null
  readonly closed: boolean
  open(): Promise<void>
  close(): Promise<void>
}

/** The UNIX socket. */
export class UnixListener implements AdminListener {
  readonly name: string | null
  readonly #create: () => AdminServer
  readonly #path: string
  readonly #log: Log
  #server: AdminServer | null = null

  constructor(create: () => AdminServer, path: string, log: Log) {
    this.name = unixListenerName(path)
    this.#create = create
    this.#path = path
    this.#log = log
  }

  get closed(): boolean {
    return this.#server === null
  }

  /** Rejects when the socket cannot be had. */
  async open(): Promise<void> {
    const server = this.#create()
    await listenUnix(server, this.#path)
    this.#server = server
    this.#log.info({ socket: this.#path }, 'admin socket open')
  }

  async close(): Promise<void> {
    const server = this.#server
    this.#server = null
    if (server !== null) await closed(server)
  }
}

/** The TCP page. */
export class TcpListener implements AdminListener {
  readonly name: string
  readonly #create: () => AdminServer
  readonly #listen: { readonly host: string; readonly port: number }
  readonly #holder: HolderOf
  readonly #log: Log
  #server: AdminServer | null = null
  #warned = false
  #retry: NodeJS.Timeout | null = null

  constructor(
    create: () => AdminServer,
    listen: { readonly host: string; readonly port: number },
    holder: HolderOf,
    log: Log,
  ) {
    this.name = tcpListenerName(listen.port)
    this.#create = create
    this.#listen = listen
    this.#holder = holder
    this.#log = log
  }

  get closed(): boolean {
    return this.#server === null
  }

  /** Resolves after one try, whatever came of it. */
  async open(): Promise<void> {
    const server = this.#create()
    this.#server = server
    await this.#try(server)
  }

  address(): string | null {
    const address = this.#server?.address() ?? null
    return address === null || typeof address === 'string'
      ? null
      : joinHostPort(address.address, address.port)
  }

  async close(): Promise<void> {
    const server = this.#server
    this.#server = null
    if (this.#retry !== null) clearTimeout(this.#retry)
    if (server !== null) await closed(server)
  }

  async #try(server: AdminServer): Promise<void> {
    const error = await listenOrFallBack(server, this.#listen)
    if (server !== this.#server) return closed(server) // closed meanwhile
    if (error === null) {
      this.#log.info({ address: this.address() }, 'admin page open')
      return
    }
    if (!this.#warned) {
      this.#warned = true
      await this.#warn(error)
    }
    if (server !== this.#server) return
    this.#retry = setTimeout(() => void this.#try(server), retryMs)
    this.#retry.unref()
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

/** A host without IPv6: dual stack means IPv4 there, as it does for listeners. null: bound. */
async function listenOrFallBack(
  server: AdminServer,
  listen: { readonly host: string; readonly port: number },
): Promise<NodeJS.ErrnoException | null> {
  const error = await tryListen(server, listen)
  const noIpv6 = error?.code === 'EAFNOSUPPORT' || error?.code === 'EADDRNOTAVAIL'
  return noIpv6 && listen.host === '::' ? tryListen(server, { ...listen, host: '0.0.0.0' }) : error
}

/** null: bound. */
function tryListen(
  server: AdminServer,
  listen: { readonly host: string; readonly port: number },
): Promise<NodeJS.ErrnoException | null> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.ErrnoException | null>()
  const failed = (error: NodeJS.ErrnoException): void => {
    server.off('listening', bound) // the next try brings its own
    resolve(error)
  }
  const bound = (): void => {
    server.off('error', failed)
    resolve(null)
  }
  server.once('error', failed)
  server.once('listening', bound)
  server.listen({ host: listen.host, port: listen.port })
  return promise
}

/** Cuts connections, then waits for the end. Does nothing to a server that does not listen. */
function closed(server: AdminServer): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  server.close(() => resolve())
  server.closeAllConnections()
  // The listening socket is closed, and its file is gone; a lasting answer is not waited for.
  if (server.lasting > 0) setImmediate(resolve)
  return promise
}
