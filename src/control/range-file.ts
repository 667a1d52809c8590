import { renderProblem } from '../config/problem.ts'
import { parseRangeList } from '../config/range-list.ts'
import { type Look, lookMs, SettledFile } from '../config/settled-file.ts'
import type { After } from '../core/after.ts'
import type { Log } from '../core/log.ts'
import { type Ranges, rangeCount } from '../core/ranges.ts'

export interface RangeFileDeps {
  readonly log: Log
  readonly after: After
  /** The list is another one. Not called for the first one. */
  readonly changed: () => void
}

/**
 * A list of ranges in a file, read again whenever it has changed. The last good list stays whatever happens
 * to the file: a deny list that vanished lets nobody in, an allow list that vanished shuts nobody out.
 */
export class RangeFile {
  /** Resolves when the file was read, or was found to be no list. Never rejects. */
  readonly first: Promise<void>
  readonly #what: string
  readonly #path: string
  readonly #mayBeEmpty: boolean
  readonly #deps: RangeFileDeps
  readonly #file: SettledFile
  #ranges: Ranges | null = null
  #fault: string | null = null
  #cancel = (): void => {}
  #stopped = false

  /**
   * `what`: whose list it is, for the log: `listener edge: allow`. `mayBeEmpty`: an allow list without a
   * range would turn everybody away, and is more often a file that somebody is about to fill.
   */
  constructor(what: string, path: string, mayBeEmpty: boolean, deps: RangeFileDeps) {
    this.#what = what
    this.#path = path
    this.#mayBeEmpty = mayBeEmpty
    this.#deps = deps
    this.#file = new SettledFile(path)
    this.first = this.#round(this.#file.readNow())
  }

  get path(): string {
    return this.#path
  }

  /** The last good list; null: there was none yet. */
  get ranges(): Ranges | null {
    return this.#ranges
  }

  /** What is wrong with the file as it is now, as it was logged; null: nothing. */
  get fault(): string | null {
    return this.#fault
  }

  stop(): void {
    this.#stopped = true
    this.#cancel()
  }

  async #round(looking: Promise<Look>): Promise<void> {
    const look = await looking
    if (this.#stopped) return
    this.#see(look)
    this.#cancel = this.#deps.after(lookMs, () => void this.#round(this.#file.look()))
  }

  #see(look: Look): void {
    switch (look.kind) {
      case 'read':
        this.#read(look.text)
        return
      case 'same':
      case 'changing':
        return
      case 'unreadable':
        this.#fail(look.reason, '')
        return
    }
  }

  #read(text: string): void {
    const parsed = parseRangeList(text, this.#path)
    if (parsed.kind === 'invalid') {
      const problems = parsed.problems.map((problem) => renderProblem(problem))
      this.#fail('is no list of ranges', `:\n${problems.join('\n\n')}`)
      return
    }
    if (parsed.count === 0 && !this.#mayBeEmpty) {
      this.#fail('is empty, which would turn everybody away', '')
      return
    }
    const { log, changed } = this.#deps
    const before = this.#ranges
    const wasWrong = this.#fault !== null
    this.#ranges = parsed.ranges
    this.#fault = null
    const held = `${rangeCount(parsed.ranges)} ranges from ${parsed.count} lines`
    const fields = { file: this.#path }
    if (before !== null || wasWrong)
      log.info(
        fields,
        `${this.#what}: file ${this.#path} is ${wasWrong ? 'good again' : 'another one'}: ${held}`,
      )
    if (parsed.loose.length > 0) {
      const problems = parsed.loose.map((problem) => renderProblem(problem, 'warning'))
      log.warn(
        fields,
        `${this.#what}: file ${this.#path} has ranges that are larger than they look:\n${problems.join('\n\n')}`,
      )
    }
    if (before !== null) changed()
  }

  /** `reason` completes "the file …"; `details` are the problems in it. */
  #fail(reason: string, details: string): void {
    const fault = `${reason}${details}`
    if (fault === this.#fault) return
    this.#fault = fault
    const kept = this.#ranges === null ? 'there is no list yet' : 'the last good list stays'
    const message = `${this.#what}: file ${this.#path} ${reason}, ${kept}${details}`
    this.#deps.log.error({ file: this.#path }, message)
  }
}
