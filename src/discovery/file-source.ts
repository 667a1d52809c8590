import { isDeepStrictEqual } from 'node:util'
import type { FilePoolConfig } from '../config/config.ts'
import { parseEndpointList } from '../config/endpoint-list.ts'
import { renderProblem } from '../config/problem.ts'
import { type Look, lookMs, SettledFile } from '../config/settled-file.ts'
import { type Answer, type Source, type SourceDeps, unconfirmed } from './source.ts'

/** A list of endpoints in a file, read again whenever it has changed. A bad file changes nothing. */
export function fileSource(pool: string, config: FilePoolConfig, deps: SourceDeps): Source {
  return new FileSource(pool, config, deps)
}

class FileSource implements Source {
  readonly first: Promise<void>
  readonly #pool: string
  readonly #path: string
  readonly #deps: SourceDeps
  readonly #file: SettledFile
  #answer: Answer
  /** The problem of the present file, as it was logged; null: none. */
  #fault: string | null = null
  readonly #failures = new Map([
    ['unreadable', 0],
    ['malformed', 0],
  ])
  #cancel = (): void => {}
  #stopped = false

  constructor(pool: string, { path }: FilePoolConfig, deps: SourceDeps) {
    this.#pool = pool
    this.#path = path
    this.#deps = deps
    this.#file = new SettledFile(path)
    this.#answer = { kind: 'none', reason: 'is being read', sinceMs: deps.nowMs() }
    this.first = this.#round(this.#file.readNow())
  }

  get answer(): Answer {
    return this.#answer
  }

  get failures(): ReadonlyMap<string, number> {
    return this.#failures
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
        if (this.#fault === null) this.#confirm()
        return
      case 'changing':
        return
      case 'unreadable':
        this.#fail('unreadable', look.reason, '')
        return
    }
  }

  #read(text: string): void {
    const parsed = parseEndpointList(text, this.#path)
    if (parsed.kind === 'invalid') {
      const problems = parsed.problems.map((problem) => renderProblem(problem))
      this.#fail('malformed', 'is no list of endpoints', `:\n${problems.join('\n\n')}`)
      return
    }
    if (this.#fault !== null) {
      this.#fault = null
      const message = `pool ${this.#pool}: file ${this.#path} is good again`
      this.#deps.log.info({ pool: this.#pool, file: this.#path }, message)
    }
    const endpoints = parsed.endpoints.map((endpoint) => ({ ...endpoint, name: null }))
    const before = this.#answer
    const emptiness = endpoints.length > 0 ? null : ({ kind: 'gone', text: 'its list is empty' } as const)
    this.#answer = { kind: 'known', endpoints, emptiness, confirmedMs: this.#deps.nowMs(), failing: null }
    if (before.kind === 'none' || !isDeepStrictEqual(before.endpoints, endpoints)) this.#deps.changed()
  }

  #confirm(): void {
    if (this.#answer.kind === 'known') this.#answer = { ...this.#answer, confirmedMs: this.#deps.nowMs() }
  }

  /** `reason` completes "the file …"; `details` are for the log alone. */
  #fail(kind: 'unreadable' | 'malformed', reason: string, details: string): void {
    const answer = this.#answer
    this.#answer = unconfirmed(answer, reason, this.#deps.nowMs())
    const fault = `${reason}${details}`
    if (fault === this.#fault) return
    this.#fault = fault
    this.#failures.set(kind, (this.#failures.get(kind) ?? 0) + 1)
    const kept = answer.kind === 'known' ? 'the endpoints stay as they are' : 'there are no endpoints yet'
    const message = `pool ${this.#pool}: file ${this.#path} ${reason}, ${kept}${details}`
    this.#deps.log.error({ pool: this.#pool, file: this.#path }, message)
  }
}
