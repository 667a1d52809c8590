import type { HolderOf } from '../core/holder.ts'
import type { Log } from '../core/log.ts'
import { everyMs, History } from './history.ts'
import { type AdminListener, TcpListener, UnixListener } from './listener.ts'
import { AdminServer } from './server.ts'
import type { AdminActions, AdminSource } from './source.ts'

export type { AdminActions, AdminSource, Answer, EndpointAction, Readiness } from './source.ts'

/** Between two attempts to reopen a listener. */
const reopenMs = 1_000

export interface AdminOptions {
  readonly app: AdminSource & AdminActions
  /** null: no UNIX socket. Its folder must exist. */
  readonly socketPath: string | null
  /** `host` is a literal address; null: no TCP page. */
  readonly listen: { readonly host: string; readonly port: number } | null
  readonly holder: HolderOf
  readonly log: Log
}

export interface Admin {
  readonly socketPath: string | null
  /** `127.0.0.1:9981` as bound; null: off, or the port is still taken. */
  address(): string | null
  /** Closes the listeners of these names (listener-name.ts): another process opens them. */
  closeListeners(names: readonly string[]): Promise<void>
  /** Opens what closeListeners() has closed. Never rejects: one that cannot be had is logged. */
  openListeners(): Promise<void>
  /** Closes both listeners and removes the socket file. Connections are cut. */
  close(): Promise<void>
}

/**
 * Opens the admin pages: reading over TCP, changes over the UNIX socket. Rejects when the UNIX socket cannot
 * be had; a TCP port that is taken is not an error (during a hand-over the old process has it): it warns once
 * and tries again every second. Resolves after the first try.
 */
export async function startAdmin(options: AdminOptions): Promise<Admin> {
  const { app, socketPath, listen, holder, log } = options
  const failed = (err: unknown, path: string) => log.warn({ err, path }, 'an admin page failed')
  const history = new History()
  const remember = (): void => history.add(app.status(), performance.now())
  const remembering = listen === null ? null : setInterval(remember, everyMs).unref()
  if (listen !== null) remember()
  const unix =
    socketPath === null
      ? null
      : new UnixListener(() => new AdminServer(app, 'socket', history, failed), socketPath, log)
  await unix?.open()
  const tcp =
    listen === null
      ? null
      : new TcpListener(() => new AdminServer(app, 'tcp', history, failed), listen, holder, log)
  await tcp?.open()
  const listeners: readonly AdminListener[] = [unix, tcp].filter((listener) => listener !== null)
  const warned = new Set<AdminListener>()
  let reopening: NodeJS.Timeout | null = null
  let ended = false
  const openListeners = async (): Promise<void> => {
    reopening = null
    const lost: AdminListener[] = []
    for (const listener of listeners.filter(({ closed }) => closed)) {
      await listener.open().catch((err: unknown) => {
        lost.push(listener)
        if (warned.has(listener)) return
        warned.add(listener)
        log.warn(
          { err, adminListener: listener.name },
          'cannot open an admin listener; trying again every second',
        )
      })
    }
    // The process that has it hangs: it closes it when it comes back, or dies.
    if (lost.length > 0 && !ended) reopening = setTimeout(() => void openListeners(), reopenMs).unref()
  }
  return {
    socketPath,
    address: () => tcp?.address() ?? null,
    async closeListeners(names) {
      if (reopening !== null) clearTimeout(reopening)
      const named = listeners.filter(({ name }) => name !== null && names.includes(name))
      await Promise.all(named.map((listener) => listener.close()))
      for (const { name } of named)
        log.info({ adminListener: name }, `admin listener closed for the next process: ${name}`)
    },
    openListeners,
    async close() {
      ended = true
      if (reopening !== null) clearTimeout(reopening)
      if (remembering !== null) clearInterval(remembering)
      await Promise.all(listeners.map((listener) => listener.close()))
    },
  }
}
