import { readFile, stat } from 'node:fs/promises'

/**
 * stat() twice a second follows every symlink on the way, so the swap of a ConfigMap's `..data` is a change like any
 * other; inotify would watch the link that stays. A file that looks different is read only when it looks the same again
 * at the next look: half a file is never read.
 */
const lookMs = 500

/**
 * Calls `changed` when the file says something else than `current()`, the text that was loaded last. A file that cannot
 * be read is no change. Whoever starts it calls the result to stop.
 */
export function watchConfig(file: string, current: () => string, changed: () => void): () => void {
  let looksLike = ''
  let fresh = true
  let looking = false

  const look = async (): Promise<void> => {
    const now = await appearance(file)
    if (now !== looksLike) {
      looksLike = now
      fresh = true
      return
    }
    if (!fresh) return
    fresh = false
    const text = await readFile(file, 'utf8').catch(() => null)
    if (text !== null && text !== current()) changed()
  }
  const timer = setInterval(() => {
    if (looking) return
    looking = true
    void look().finally(() => {
      looking = false
    })
  }, lookMs)
  timer.unref()
  return () => clearInterval(timer)
}

/** Another file, size or time of change shows here; empty: there is none. */
async function appearance(file: string): Promise<string> {
  const found = await stat(file, { bigint: true }).catch(() => null)
  return found === null ? '' : `${found.dev} ${found.ino} ${found.size} ${found.mtimeNs} ${found.ctimeNs}`
}
