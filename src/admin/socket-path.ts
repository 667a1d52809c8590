import { existsSync, lstatSync, mkdirSync, statSync } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import { errnoOf } from '../core/coded-error.ts'
import { fileErrorText } from '../core/wording.ts'
import { AdminSocketError } from './socket-error.ts'

const fileName = 'spliceway.sock'
/** Where a service, or root, has it. */
const systemFolder = '/run/spliceway'

/**
 * Where the admin socket is when nobody says so: in $RUNTIME_DIRECTORY (systemd), as root in /run/spliceway,
 * in $XDG_RUNTIME_DIR, else in a folder of the user's own below the temporary folder. The server and the
 * client commands find each other by this rule.
 */
export function adminSocketPath(
  env: Readonly<Record<string, string | undefined>>,
  uid: number,
  tmpdir: string,
): string {
  const [runtime] = (env.RUNTIME_DIRECTORY ?? '').split(':') // systemd lists several with colons
  if (runtime && isAbsolute(runtime)) return join(runtime, fileName)
  if (uid === 0) return join(systemFolder, fileName)
  const session = env.XDG_RUNTIME_DIR
  if (session && isAbsolute(session)) return join(session, fileName)
  return join(tmpdir, `spliceway-${uid}`, fileName)
}

/**
 * Where a command of this user looks for a running process: his own, or else the system's. A user who may not
 * open that one is told so by the kernel; at a path of the user's own it would look as if nothing were
 * running.
 */
export function runningSocketPath(own: string, folder = systemFolder): string {
  const isThere = (path: string) => statSync(path, { throwIfNoEntry: false }) !== undefined
  return !isThere(own) && isThere(folder) ? join(folder, fileName) : own
}

/**
 * Makes the socket's folder, mode 0700, unless it exists. Throws when the folder belongs to somebody else or
 * others may write to it: they could put a socket of theirs in the place of ours.
 */
export function prepareSocketFolder(socketPath: string, uid: number): void {
  const folder = dirname(socketPath)
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new AdminSocketError(
      errnoOf(error),
      `the folder of the admin socket, ${folder}, cannot be made: ${fileErrorText(error)}`,
      error,
    )
  }
  const wrong = faultOf(folder, uid)
  if (wrong === null) return
  // Never "remove it": the folder belongs to a service that may be running.
  const owner = existsSync(socketPath) ? ' (another spliceway has its admin socket there)' : ''
  throw new AdminSocketError(
    'ERR_ADMIN_FOLDER',
    `the folder of the admin socket, ${folder}, must be a folder of uid ${uid} that nobody else may write to: ${wrong}${owner}`,
  )
}

/**
 * Why others could put a socket of theirs in the place of one in the folder that somebody has chosen; null:
 * they cannot, or there is no such folder. With the sticky bit they can only come first, and then binding
 * fails.
 */
export function socketFolderRisk(socketPath: string, uid: number): string | null {
  const folder = dirname(socketPath)
  const found = statSync(folder, { throwIfNoEntry: false })
  if (found === undefined) return null
  const sticky = (found.mode & 0o1000) !== 0
  if (found.uid !== uid && found.uid !== 0) return `${folder} belongs to uid ${found.uid}`
  return (found.mode & 0o022) !== 0 && !sticky
    ? `${folder} may be written to by others (${modeText(found.mode)})`
    : null
}

function faultOf(folder: string, uid: number): string | null {
  const found = lstatSync(folder)
  if (!found.isDirectory()) return 'it is not a folder'
  if (found.uid !== uid) return `it belongs to uid ${found.uid}`
  return found.mode & 0o022 ? `others may write to it (${modeText(found.mode)})` : null
}

function modeText(mode: number): string {
  return `mode ${(mode & 0o777).toString(8)}`
}
