import { createHash } from 'node:crypto'
import { readFileSync, unwatchFile, watchFile } from 'node:fs'

/**
 * stat() once a second follows every symlink on the way, so the swap of a ConfigMap's `..data` is a change like any
 * other; inotify would watch the link that stays. A network file system is no trap either.
 */
const lookMs = 1_000
/** A file that is being written is left alone until it has kept still for so long. */
const settleMs = 250

/** Calls `changed` when the file's content is another than at the last call. Whoever starts it calls the result to stop. */
export function watchConfig(file: string, changed: () => void): () => void {
  let content = digest(file)
  let settling: NodeJS.Timeout | null = null
  const look = (): void => {
    const now = digest(file)
    if (now === content || now === null) return
    content = now
    changed()
  }
  const touched = (): void => {
    if (settling !== null) clearTimeout(settling)
    settling = setTimeout(look, settleMs)
  }
  watchFile(file, { interval: lookMs, persistent: false }, touched)
  return () => {
    unwatchFile(file, touched)
    if (settling !== null) clearTimeout(settling)
  }
}

/** null: not readable now. */
function digest(file: string): string | null {
  try {
    return createHash('sha256').update(readFileSync(file)).digest('base64')
  } catch {
    return null
  }
}
