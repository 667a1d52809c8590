import { lstatSync, mkdirSync } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'

const fileName = 'spliceway.sock'

/**
 * Where the admin socket is when nobody says so: in $RUNTIME_DIRECTORY (systemd), as root in /run/spliceway, in
 * $XDG_RUNTIME_DIR, else in a folder of the user's own below the temporary folder. The server and the client commands
 * find each other by this rule.
 */
export function adminSocketPath(
  env: Readonly<Record<string, string | undefined>>,
  uid: number,
  tmpdir: string,
): string {
  const [runtime] = (env.RUNTIME_DIRECTORY ?? '').split(':') // systemd lists several with colons
  if (runtime && isAbsolute(runtime)) return join(runtime, fileName)
  if (uid === 0) return join('/run/spliceway', fileName)
  const session = env.XDG_RUNTIME_DIR
  if (session && isAbsolute(session)) return join(session, fileName)
  return join(tmpdir, `spliceway-${uid}`, fileName)
}

/**
 * Makes the socket's folder, mode 0700, unless it exists. Throws when the folder belongs to somebody else or others may
 * write to it: they could put a socket of theirs in the place of ours.
 */
export function prepareSocketFolder(socketPath: string, uid: number): void {
  const folder = dirname(socketPath)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const found = lstatSync(folder)
  const wrong = !found.isDirectory()
    ? 'it is not a folder'
    : found.uid !== uid
      ? `it belongs to uid ${found.uid}`
      : found.mode & 0o022
        ? `others may write to it (mode ${(found.mode & 0o777).toString(8)})`
        : undefined
  if (wrong !== undefined) {
    throw new Error(
      `the folder of the admin socket, ${folder}, must be a folder of uid ${uid} that nobody else may write to: ${wrong}; ` +
        'remove it, or name another place with "admin: { socket: PATH }"',
    )
  }
}
