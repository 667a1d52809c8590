import { accessSync, constants, lstatSync, type Stats, unlinkSync } from 'node:fs'
import { connect, type Server } from 'node:net'
import { dirname } from 'node:path'
import { type Errno, errnoOf } from '../core/coded-error.ts'
import { AdminSocketError } from './socket-error.ts'

/** sockaddr_un holds 108 bytes, the last of them zero. */
const maxPathBytes = 107

/**
 * Binds `server` to a UNIX socket that only its owner may open (mode 0600 from the first moment). The socket
 * file of a process that died is replaced. Rejects, naming the path and what to do, when a process answers
 * there, when the path is something other than a socket, or when it cannot be bound. Main thread only: it
 * sets the umask for a moment.
 */
export async function listenUnix(server: Server, path: string): Promise<void> {
  checkLength(path)
  const first = await tryListen(server, path)
  if (first === null) return
  if (first.code !== 'EADDRINUSE') throw problem(path, 'cannot be bound', errnoOf(first), first)
  await removeStale(path)
  const second = await tryListen(server, path)
  if (second !== null) throw problem(path, 'cannot be bound', errnoOf(second), second)
}

/**
 * Rejects as listenUnix() would, as far as can be seen without binding. `held`: the process that answers
 * there is known, and will close it.
 */
export async function checkUnix(path: string, held: boolean): Promise<void> {
  checkLength(path)
  try {
    accessSync(dirname(path), constants.W_OK | constants.X_OK)
  } catch (error) {
    throw problem(path, 'cannot be bound', errnoOf(error), error)
  }
  const there = lstatSync(path, { throwIfNoEntry: false })
  if (there !== undefined) await checkStale(path, there, held)
}

function checkLength(path: string): void {
  const bytes = Buffer.byteLength(path)
  if (bytes <= maxPathBytes) return
  throw problem(path, `has ${bytes} bytes, the kernel takes ${maxPathBytes}`, 'ENAMETOOLONG')
}

/** null: bound. */
function tryListen(server: Server, path: string): Promise<NodeJS.ErrnoException | null> {
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
  const before = process.umask(0o177)
  try {
    server.listen(path) // bind(2) happens inside this call, so under our umask
  } finally {
    process.umask(before)
  }
  return promise
}

/**
 * Removes the socket file when its process is gone; throws when somebody answers, or when it is no socket.
 */
async function removeStale(path: string): Promise<void> {
  await checkStale(path, lstatSync(path), false)
  unlinkSync(path)
}

async function checkStale(path: string, there: Stats, held: boolean): Promise<void> {
  // Checked first, because connecting to a regular file is ECONNREFUSED too, and that must not be deleted.
  if (!there.isSocket()) throw problem(path, 'exists and is not a socket', 'EEXIST')
  if (held) return
  const code = await knock(path)
  if (code === null) throw problem(path, 'belongs to a running process', 'EADDRINUSE')
  if (code !== 'ECONNREFUSED') throw problem(path, 'exists and does not say whether it is in use', code)
}

/** null: a process accepted. */
function knock(path: string): Promise<Errno | null> {
  const { promise, resolve } = Promise.withResolvers<Errno | null>()
  const socket = connect(path, () => {
    socket.destroy()
    resolve(null)
  })
  socket.once('error', (error) => resolve(errnoOf(error)))
  return promise
}

function problem(path: string, what: string, code: Errno, cause?: unknown): AdminSocketError {
  return new AdminSocketError(code, `the admin socket ${path} ${what} (${code})`, cause)
}
