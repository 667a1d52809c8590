import { readFile, stat } from 'node:fs/promises'
import { errorText } from '../core/wording.ts'

/** Twice a second: a change is in use within a second, and two stat() cost nothing. */
export const lookMs = 500
/** As much as the parser takes. */
const maxBytes = 4 * 1024 * 1024

export type Look =
  | { readonly kind: 'read'; readonly text: string }
  /** It looks as it did when it was read. */
  | { readonly kind: 'same' }
  /** It looks different from the last look: somebody may be writing. */
  | { readonly kind: 'changing' }
  /** `reason` completes "the file …". */
  | { readonly kind: 'unreadable'; readonly reason: string }

type Appearance = { readonly kind: 'there'; readonly text: string } | Extract<Look, { kind: 'unreadable' }>

/**
 * A file that is looked at again and again, each look after the one before it is over. stat() follows every
 * symlink on the way, so the swap of a ConfigMap's `..data` is a change like any other; inotify would watch
 * the link that stays. A file that looks different is read only when it looks the same again at the next
 * look: half a file is never read.
 */
export class SettledFile {
  readonly #path: string
  /** At the last look; empty: it was not there. */
  #looksLike = ''
  #isRead = false

  constructor(path: string) {
    this.#path = path
  }

  /** Never rejects. */
  async look(): Promise<Look> {
    const now = await appearance(this.#path)
    if (now.kind === 'unreadable') {
      this.#looksLike = ''
      return now
    }
    if (now.text !== this.#looksLike) {
      this.#looksLike = now.text
      this.#isRead = false
      return { kind: 'changing' }
    }
    return this.#isRead ? { kind: 'same' } : this.#read()
  }

  /** The file as it is now, settled or not: for the first time. Never rejects. */
  async readNow(): Promise<Look> {
    const now = await appearance(this.#path)
    if (now.kind === 'unreadable') return now
    this.#looksLike = now.text
    return this.#read()
  }

  async #read(): Promise<Look> {
    try {
      const text = await readFile(this.#path, 'utf8')
      this.#isRead = true
      return { kind: 'read', text }
    } catch (error) {
      return { kind: 'unreadable', reason: `cannot be read (${errorText(error)})` }
    }
  }
}

/** Another file, size or time of change shows here. */
async function appearance(path: string): Promise<Appearance> {
  try {
    const found = await stat(path, { bigint: true })
    // A read of a FIFO would wait for ever.
    if (!found.isFile()) return { kind: 'unreadable', reason: 'is not a file' }
    if (found.size > maxBytes) return { kind: 'unreadable', reason: 'is larger than 4 MiB' }
    const { dev, ino, size, mtimeNs, ctimeNs } = found
    return { kind: 'there', text: `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}` }
  } catch (error) {
    return { kind: 'unreadable', reason: `cannot be read (${errorText(error)})` }
  }
}
