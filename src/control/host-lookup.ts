import { promises as dns } from 'node:dns'
import { formatIp, parseIp } from '../core/address.ts'
import type { After } from './after.ts'
import type { Log } from './log.ts'
import { durationText, errorCode, errorText } from './wording.ts'

/** Addresses of a name, as literals. Rejects with an error whose `code` says why there are none. */
export type Lookup = (host: string) => Promise<readonly string[]>

/** getaddrinfo: the hosts file, search domains and resolv.conf apply. */
export const getaddrinfo: Lookup = async (host) => {
  const answers = await dns.lookup(host, { all: true, order: 'verbatim' })
  return answers.map((answer) => answer.address)
}

/** What is known of a name. */
export type Answer =
  /** Never had an address. `reason` completes "the name …". */
  | { readonly kind: 'none'; readonly sinceMs: number; readonly reason: string }
  /** Canonical literals, sorted: the order of an answer means nothing here, and it changes with each query. */
  | { readonly kind: 'known'; readonly addresses: readonly string[] }

export interface HostLookupDeps {
  readonly lookup: Lookup
  readonly log: Log
  readonly after: After
  readonly nowMs: () => number
  /** 0 to 1. */
  readonly random: () => number
  /** Called after the addresses of a name have changed, its first answer included. */
  readonly changed: () => void
}

/** One name of one pool, looked up at once and then again every `refreshMs` ± 10 %; never twice at a time. */
export class HostLookup {
  readonly #pool: string
  readonly #host: string
  readonly #deps: HostLookupDeps
  #refreshMs: number
  #answer: Answer
  /** The error that was logged last; null while the name resolves. */
  #failing: string | null = null
  #cancel: () => void = () => {}
  #stopped = false
  /** Resolves when the first lookup is over, whatever it found. Never rejects. */
  readonly first: Promise<void>

  constructor(pool: string, host: string, refreshMs: number, deps: HostLookupDeps) {
    this.#pool = pool
    this.#host = host
    this.#refreshMs = refreshMs
    this.#deps = deps
    this.#answer = { kind: 'none', sinceMs: deps.nowMs(), reason: 'is being looked up' }
    this.first = this.#round()
  }

  get answer(): Answer {
    return this.#answer
  }

  /** Takes effect after the next lookup. */
  refreshEvery(refreshMs: number): void {
    this.#refreshMs = refreshMs
  }

  /** Ends the loop. A lookup under way cannot be cancelled; its answer is ignored. */
  stop(): void {
    this.#stopped = true
    this.#cancel()
  }

  async #round(): Promise<void> {
    const found = await this.#look()
    if (this.#stopped) return
    if (typeof found === 'string') this.#fail(found)
    else this.#take(found)
    const jitteredMs = this.#refreshMs * (0.9 + 0.2 * this.#deps.random())
    this.#cancel = this.#deps.after(jitteredMs, () => void this.#round())
  }

  /** The addresses, at least one, or why there are none. */
  async #look(): Promise<readonly string[] | string> {
    try {
      const addresses = canonical(await this.#deps.lookup(this.#host))
      return addresses.length === 0 ? 'the answer is empty' : addresses
    } catch (error) {
      return errorCode(error) || errorText(error)
    }
  }

  #take(addresses: readonly string[]): void {
    if (this.#failing !== null) {
      this.#failing = null
      const message = `pool ${this.#pool}: ${this.#host} resolves again: ${addresses.join(', ')}`
      this.#deps.log.info({ pool: this.#pool, host: this.#host, addresses }, message)
    }
    const before = this.#answer
    if (before.kind === 'known' && before.addresses.join() === addresses.join()) return
    this.#answer = { kind: 'known', addresses }
    this.#deps.changed()
  }

  #fail(error: string): void {
    const answer = this.#answer
    if (answer.kind === 'none') this.#answer = { ...answer, reason: `does not resolve (${error})` }
    if (error === this.#failing) return
    this.#failing = error
    const kept =
      answer.kind === 'known'
        ? `using its last answer ${answer.addresses.join(', ')}`
        : `it has no address yet, tried again every ${durationText(this.#refreshMs)}`
    const message = `pool ${this.#pool}: ${this.#host} does not resolve (${error}); ${kept}`
    this.#deps.log.warn({ pool: this.#pool, host: this.#host, error }, message)
  }
}

/** v4-mapped answers become IPv4, and each address appears once. */
function canonical(literals: readonly string[]): readonly string[] {
  const addresses = literals.flatMap((literal) => {
    const parsed = parseIp(literal)
    return parsed === undefined ? [] : [formatIp(parsed)]
  })
  return [...new Set(addresses)].sort()
}
