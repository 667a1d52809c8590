import { type Door, type DoorLog, type HolderOf, SocketDoor, TcpDoor } from './door.ts'
import { AdminServer } from './server.ts'
import type { AdminActions, AdminSource } from './source.ts'

export type { AdminActions, AdminSource, Answer, EndpointAction, Verdict } from './source.ts'

/** Between two attempts to reopen a listener. */
const reopenMs = 1_000

export interface AdminOptions {
  readonly app: AdminSource & AdminActions
  /** null: no UNIX socket. Its folder must exist. */
  readonly socketPath: string | null
  /** `host` is a literal address; null: no TCP page. */
  readonly listen: { readonly host: string; readonly port: number } | null
  readonly holder: HolderOf
  readonly log: DoorLog
}

export interface Admin {
  readonly socketPath: string | null
  /** `127.0.0.1:9981` as bound; null: off, or the port is still taken. */
  address(): string | null
  /** Closes the doors of these names (door-name.ts): another process opens them. */
  closeDoors(names: readonly string[]): Promise<void>
  /** Opens what closeDoors() has closed. Never rejects: a door that cannot be had is logged. */
  openDoors(): Promise<void>
  /** Closes both doors and removes the socket file. Connections are cut. */
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
  const socketDoor =
    socketPath === null ? null : new SocketDoor(() => new AdminServer(app, 'socket', failed), socketPath, log)
  await socketDoor?.open()
  const tcpDoor =
    listen === null ? null : new TcpDoor(() => new AdminServer(app, 'tcp', failed), listen, holder, log)
  await tcpDoor?.open()
  const doors: readonly Door[] = [socketDoor, tcpDoor].filter((door) => door !== null)
  const warned = new Set<Door>()
  let reopening: NodeJS.Timeout | null = null
  let ended = false
  const openDoors = async (): Promise<void> => {
    reopening = null
    const lost: Door[] = []
    for (const door of doors.filter(({ closed }) => closed)) {
      await door.open().catch((err: unknown) => {
        lost.push(door)
        if (warned.has(door)) return
        warned.add(door)
        log.warn({ err, door: door.name }, 'cannot open an admin door; trying again every second')
      })
    }
    // The process that has it hangs: it closes it when it comes back, or dies.
    if (lost.length > 0 && !ended) reopening = setTimeout(() => void openDoors(), reopenMs).unref()
  }
  return {
    socketPath,
    address: () => tcpDoor?.address() ?? null,
    async closeDoors(names) {
      if (reopening !== null) clearTimeout(reopening)
      const named = doors.filter(({ name }) => name !== null && names.includes(name))
      await Promise.all(named.map((door) => door.close()))
      for (const { name } of named)
        log.info({ door: name }, `admin door closed for the next process: ${name}`)
    },
    openDoors,
    async close() {
      ended = true
      if (reopening !== null) clearTimeout(reopening)
      await Promise.all(doors.map((door) => door.close()))
    },
  }
}
