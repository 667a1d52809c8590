import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Debian has servers in /usr/sbin, which is not in everyone's PATH. */
const more = ['/usr/sbin', '/usr/local/sbin']

/** Where a program is, in PATH or in `folders`; null: not installed. */
export function findProgram(name: string, folders: readonly string[] = []): string | null {
  const searched = [...folders, ...(process.env.PATH ?? '').split(delimiter), ...more]
  return searched.map((folder) => join(folder, name)).find((path) => existsSync(path)) ?? null
}
