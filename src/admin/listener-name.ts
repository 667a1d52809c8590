import { statSync } from 'node:fs'
import { basename, dirname } from 'node:path'

/**
 * What two processes that cannot both open an admin listener both call it: `tcp 9981`, whatever the address.
 */
export function tcpListenerName(port: number): string {
  return `tcp ${port}`
}

/**
 * `unix 2049:131 spliceway.sock`: the folder by its device and inode, because in two containers one path may
 * be two folders. null: there is no such folder, so nobody has a socket in it.
 */
export function unixListenerName(path: string): string | null {
  const folder = statSync(dirname(path), { throwIfNoEntry: false })
  return folder === undefined ? null : `unix ${folder.dev}:${folder.ino} ${basename(path)}`
}
