import { parseIp } from '../core/address.ts'
import type { After } from '../core/after.ts'
import type { Log } from '../core/log.ts'
import { durationText, someOf } from '../core/wording.ts'
import type { LookedUp, Lookup } from './dns/name-lookup.ts'

/** What is known of a name. */
export type HostAnswer =
  /** Never had an address. `reason` completes "the name …". */
  | { readonly kind: 'none'; readonly sinceMs: number; readonly reason: string }
  /**
   * Canonical literals, sorted: the order of an answer means nothing here, and it changes with each query.
   */
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

/** The users of a name. */
export interface Use {
  /** Sorted. */
  readonly pools: readonly string[]
  /** The shortest of theirs. */
  readonly refreshMs: number
}

/**
 * One name, whatever pools it is in, looked up at once and then again every `refreshMs` ± 10 %; never twice
 * at a time.
 */
export class HostLookup {
  readonly #host: string
  readonly #deps: HostLookupDeps
  #use: Use
  #answer: HostAnswer
  /** The reason that was logged last; null while the name resolves. */
  #failing: string | null = null
  #cancel: () => void = () => {}
  #stopped = false
  /** Resolves when the first lookup is over, whatever it found. Never rejects. */
  readonly first: Promise<void>

  constructor(host: string, use: Use, deps: HostLookupDeps) {
    this.#host = host
    this.#use = use
    this.#deps = deps
    this.#answer = { kind: 'none', sinceMs: deps.nowMs(), reason: 'is being looked up' }
    this.first = this.#round()
  }

  get answer(): HostAnswer {
    return this.#answer
  }

  /** Takes effect after the next lookup. */
  usedBy(use: Use): void {
    this.#use = use
  }

  /** Ends the loop; what is under way is ignored. */
  stop(): void {
    this.#stopped = true
    this.#cancel()
  }

  async #round(): Promise<void> {
    const found = await this.#deps.lookup.addresses(this.#host)
    if (this.#stopped) return
    if (found.kind === 'failed') this.#fail(found.reason)
    else this.#take(found)
    const jitteredMs = this.#use.refreshMs * (0.9 + 0.2 * this.#deps.random())
    this.#cancel = this.#deps.after(jitteredMs, () => void this.#round())
  }

  #take({ addresses: told, silent }: Extract<LookedUp, { kind: 'found' }>): void {
    const before = this.#answer
    // A family without an answer keeps its addresses, as a name without any answer does.
    const kept =
      before.kind === 'known' ? before.addresses.filter((ip) => parseIp(ip)?.family === silent) : []
    const addresses = kept.length === 0 ? told : [...told, ...kept].sort()
    if (this.#failing !== null) {
      this.#failing = null
      this.#tell('info', `resolves again: ${addresses.join(', ')}`, { addresses })
    }
    if (before.kind === 'known' && before.addresses.join() === addresses.join()) return
    this.#answer = { kind: 'known', addresses }
    this.#deps.changed()
  }

  #fail(reason: string): void {
    const answer = this.#answer
    if (answer.kind === 'none') this.#answer = { ...answer, reason: `does not resolve: ${reason}` }
    if (reason === this.#failing) return
    this.#failing = reason
    const kept =
      answer.kind === 'known'
        ? `using its last answer ${answer.addresses.join(', ')}`
        : `it has no address yet, tried again every ${durationText(this.#use.refreshMs)}`
    this.#tell('warn', `does not resolve: ${reason}; ${kept}`, { error: reason })
  }

  #tell(level: 'info' | 'warn', what: string, fields: object): void {
    const { pools } = this.#use
    const title = `pool${pools.length === 1 ? '' : 's'} ${someOf(pools)}`
    const pool = pools.length === 1 ? { pool: pools[0] } : { pools }
    this.#deps.log[level]({ ...pool, host: this.#host, ...fields }, `${title}: ${this.#host} ${what}`)
  }
}
