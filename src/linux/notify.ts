import { spawn } from 'node:child_process'
import { EAGAIN, errnoName } from './errno.ts'
import type { Libc } from './libc.ts'
import type { LoadedLibc } from './load-libc.ts'
import { unixAddress } from './unix-address.ts'

/** The way to a service manager that waits for messages (sd_notify(3)). */
export interface Notify {
  /** One message of `NAME=value` assignments. Never throws; what cannot be sent is reported once. */
  tell(assignments: readonly string[]): void
  /** Resolves when everything is sent, or will never be. */
  close(): Promise<void>
}

export interface NotifyOptions {
  /** $NOTIFY_SOCKET: a path, or `@name`. */
  readonly socket: string
  readonly libc: LoadedLibc
  /** Called at the first message that is lost, with the reason. */
  readonly failed: (reason: string) => void
}

/** The receiver's queue is full (PID 1 is busy): try again after this. */
const againMs = 100
/** For 5 s; then the message is lost. */
const mostTries = 50

/** By a datagram of our own, which comes from the main process, or without koffi by `systemd-notify`. */
export function openNotify({ socket, libc, failed }: NotifyOptions): Notify {
  const send = libc.kind === 'loaded' ? datagramTo(socket, libc.libc) : child(socket)
  let lost = false
  let sent: Promise<void> = Promise.resolve()
  const report = (reason: string | null): void => {
    if (reason !== null && !lost) failed(reason)
    lost ||= reason !== null
  }
  return {
    tell(assignments) {
      sent = sent.then(() => send(assignments)).then(report) // one after the other: their order matters
    },
    close: () => sent,
  }
}

/** Resolves to null, or to why the message is lost. Never rejects. */
type Send = (assignments: readonly string[]) => Promise<string | null>

function datagramTo(socket: string, libc: Libc): Send {
  const bytes = unixAddress(socket)
  if (bytes === null) return async () => `NOTIFY_SOCKET is no address of a UNIX socket: ${socket}`
  const address = libc.block(bytes.length)
  address.bytes.set(bytes)
  return async (assignments) => {
    const text = Buffer.from(assignments.join('\n'))
    const message = libc.block(text.length)
    message.bytes.set(text)
    for (let tries = 1; ; tries++) {
      const result = libc.sendUnixDatagram(address, message)
      if (result >= 0) return null
      if (result !== EAGAIN || tries === mostTries) return `sendto ${socket}: ${errnoName(result)}`
      await new Promise((resolve) => setTimeout(resolve, againMs))
    }
  }
}

/**
 * The message comes from a process other than the main one, so systemd needs `NotifyAccess=all`.
 * `--no-block`: without it the command waits for the manager to have read the message, and a receiver that is
 * not systemd never says so.
 */
function child(socket: string): Send {
  return (assignments) =>
    new Promise((resolve) => {
      const notify = spawn('systemd-notify', ['--no-block', ...assignments], {
        stdio: 'ignore',
        env: { ...process.env, NOTIFY_SOCKET: socket },
      })
      notify.on('error', (error) => resolve(`systemd-notify: ${error.message}`))
      notify.on('exit', (code, signal) =>
        resolve(code === 0 ? null : `systemd-notify ended with ${code ?? signal}`),
      )
    })
}
