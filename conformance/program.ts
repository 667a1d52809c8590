import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Debian has servers in /usr/sbin, which is not in everyone's PATH. */
const more = ['/usr/sbin', '/usr/local/sbin']

/** Where a program is; null: not installed. */
export function pathOf(program: string): string | null {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...more]
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path)) ?? null
}

/** The line of what it prints that `pattern` is in, without what is around the match. */
export function printed(program: string, args: readonly string[], pattern: RegExp): string {
  const { stdout, stderr } = spawnSync(pathOf(program) ?? program, args, { encoding: 'utf8' })
  return pattern.exec(`${stdout}\n${stderr}`)?.[0] ?? program
}
