import { spawnSync } from 'node:child_process'
import { chownSync, mkdtempSync } from 'node:fs'
import { join } from 'node:path'

/** Who the forwarders run as. */
export interface User {
  /** null: who we are. */
  readonly uid: number | null
  /** For the reader of the figures. */
  readonly note: string
}

/** Nobody's, so that its pipes have the whole budget of a user. */
const uid = 64_080
const source = new URL('../../src/cli.mjs', import.meta.url).pathname

/**
 * As root, somebody else: root's pipes have no budget of pages, and no forwarder should run as root. Otherwise we are
 * somebody already.
 */
export function chooseUser(): User {
  if (process.getuid?.() !== 0) return { uid: null, note: `all as uid ${process.getuid?.()}` }
  const look = 'require("fs").accessSync(process.argv[1])'
  const { status, error } = spawnSync(...asUser(uid, process.execPath, ['-e', look, source]))
  if (error !== undefined) return { uid: null, note: 'all as root: no setpriv (package util-linux)' }
  if (status !== 0) return { uid: null, note: `all as root: others cannot read ${source}` }
  return { uid, note: `forwarders as uid ${uid}` }
}

/** `command` as started by `uid`. setpriv execs it, so the process id stays. */
export function asUser(
  uid: number | null,
  command: string,
  args: readonly string[],
): [command: string, args: readonly string[]] {
  if (uid === null) return [command, args]
  const who = ['--reuid', String(uid), '--regid', String(uid), '--clear-groups']
  return ['setpriv', [...who, command, ...args]]
}

/** A new folder in `folder`, where that user may write. */
export function folderFor({ uid }: User, folder: string, prefix: string): string {
  const made = mkdtempSync(join(folder, prefix))
  if (uid !== null) chownSync(made, uid, uid)
  return made
}
