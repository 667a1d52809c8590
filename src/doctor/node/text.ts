import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/**
 * Files of /proc and the like are small, and reading them waits for nothing. null: not there, or not for us.
 */
export function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return null
  }
}

/** Empty: not there, or not for us. */
export function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** Where a link leads; empty: not there, or not for us. */
export function targetOf(link: string): string {
  try {
    return readlinkSync(link)
  } catch {
    return ''
  }
}
