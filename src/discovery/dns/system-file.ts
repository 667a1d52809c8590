import { readFile, stat } from 'node:fs/promises'

/** How often a file is looked at, at most: a burst of names costs one look. */
const lookMs = 1_000
/** The longest lists of blocked names have about 6 MiB. */
const maxBytes = 16 * 1024 * 1024

/**
 * What a file of the system says, read again when it has changed. A file that cannot be read says nothing.
 */
export class SystemFile<T> {
  readonly #path: string
  readonly #parse: (text: string) => T
  readonly #nowMs: () => number
  #looksLike: string | null = null
  #lookedMs = Number.NEGATIVE_INFINITY
  #value: T
  #looking: Promise<void> | null = null

  constructor(path: string, parse: (text: string) => T, nowMs: () => number) {
    this.#path = path
    this.#parse = parse
    this.#nowMs = nowMs
    this.#value = parse('')
  }

  /** The same object as long as the file stays as it is. Never rejects. */
  async value(): Promise<T> {
    if (this.#nowMs() - this.#lookedMs >= lookMs) this.#looking ??= this.#look()
    await this.#looking
    return this.#value
  }

  async #look(): Promise<void> {
    const looksLike = await appearance(this.#path)
    if (looksLike !== this.#looksLike) {
      this.#looksLike = looksLike
      this.#value = this.#parse(looksLike === '' ? '' : await readFile(this.#path, 'utf8').catch(() => ''))
    }
    this.#lookedMs = this.#nowMs()
    this.#looking = null
  }
}

/** Another file, size or time of change shows here; empty: there is nothing to read. */
async function appearance(path: string): Promise<string> {
  const found = await stat(path, { bigint: true }).catch(() => null)
  if (found === null || !found.isFile() || found.size > maxBytes) return ''
  const { dev, ino, size, mtimeNs, ctimeNs } = found
  return `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`
}
