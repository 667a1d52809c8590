import { isDeepStrictEqual } from 'node:util'
import type { DnsPoolConfig } from '../../config/config.ts'
import { formatAddress } from '../../core/address.ts'
import { durationText } from '../../core/wording.ts'
import {
  type Answer,
  type Emptiness,
  type FoundEndpoint,
  type Source,
  type SourceDeps,
  unconfirmed,
} from '../source.ts'
import { sourceName } from '../source-name.ts'
import { inOrder, type Members, membersOf, type Remembered } from './members.ts'
import { type OpenQuery, openQuery, type Query } from './query.ts'

/** A TTL of 0 means "do not keep", not "ask without a pause". */
const shortestMs = 1_000
/** A TTL of a day was written without a gateway that moves in mind. */
const longestMs = 300_000
/** Node does not tell the TTL of SRV records; cluster DNS gives them 5 to 30 s. */
const servicesMs = 5_000
/** A name server that fails is asked after 1, 2, 4 … seconds. */
const longestPauseMs = 30_000
/** RFC 2782: the service is decidedly not available at this domain. */
const nobody: Emptiness = { kind: 'gone', text: 'the target of its SRV record is `.`' }

/**
 * The addresses that name servers give for a name, asked for again when their TTL is over. Failures keep the
 * last answer, and a name that does not exist any more, or has no such records, is a failure too: half-loaded
 * zones, views of the wrong network and resolvers that filter say the same as an administrator who empties a
 * pool, and a probe finds a dead endpoint sooner. Only an SRV record with the target "." empties a pool. A
 * truncated answer that cannot be completed over TCP is a failure.
 */
export function dnsSource(
  pool: string,
  config: DnsPoolConfig,
  deps: SourceDeps,
  open: OpenQuery = openQuery,
): Source {
  return new DnsSource(pool, config, deps, open)
}

class DnsSource implements Source {
  readonly first: Promise<void>
  readonly #pool: string
  readonly #config: DnsPoolConfig
  readonly #deps: SourceDeps
  readonly #open: OpenQuery
  #answer: Answer
  #remembered: Remembered = new Map()
  /** By address: what the last answers had, and when one last had it. */
  #seen: ReadonlyMap<string, { readonly endpoint: FoundEndpoint; readonly lastMs: number }> = new Map()
  /** Failed rounds in a row. */
  #failures = 0
  /** What was logged last and still holds: the failure of the name, or of targets. */
  #told = ''
  readonly #failed = new Map([['lookup', 0]])
  #query: Query | null = null
  #cancel = (): void => {}
  #stopped = false

  constructor(pool: string, config: DnsPoolConfig, deps: SourceDeps, open: OpenQuery) {
    this.#pool = pool
    this.#config = config
    this.#deps = deps
    this.#open = open
    this.#answer = { kind: 'none', reason: 'is being looked up', sinceMs: deps.nowMs() }
    this.first = this.#round()
  }

  get answer(): Answer {
    return this.#answer
  }

  get failures(): ReadonlyMap<string, number> {
    return this.#failed
  }

  stop(): void {
    this.#stopped = true
    this.#cancel()
    this.#query?.cancel()
  }

  async #round(): Promise<void> {
    this.#query = this.#open(this.#config.servers)
    const members = await membersOf(this.#config, this.#query, this.#remembered, this.#deps.after)
    this.#query = null
    if (this.#stopped) return
    const pauseMs = members.kind === 'known' ? this.#take(members) : this.#fail(members.reason)
    // Later rather than earlier, so that the record has left the resolver's cache too.
    this.#cancel = this.#deps.after(pauseMs * (1 + 0.1 * this.#deps.random()), () => void this.#round())
  }

  /** Returns when to ask again. */
  #take(members: Extract<Members, { kind: 'known' }>): number {
    this.#failures = 0
    this.#remembered = members.remembered
    const trouble = members.lost
      .map(({ target, reason, remembered }) => {
        return `${target} is ${remembered ? 'used with its last addresses' : 'left out'}: ${reason}`
      })
      .join('; ')
    this.#tell(trouble, trouble)
    const before = this.#answer
    const { endpoints, leavesInMs } = this.#hold(members.endpoints)
    const emptiness = endpoints.length > 0 ? null : nobody
    this.#answer = { kind: 'known', endpoints, emptiness, confirmedMs: this.#deps.nowMs(), failing: null }
    if (before.kind === 'none' || !isDeepStrictEqual(before.endpoints, endpoints)) this.#deps.changed()
    const longest = this.#config.records.type === 'SRV' ? servicesMs : longestMs
    return Math.min(longest, Math.max(shortestMs, Math.min(leavesInMs, members.ttlMs)))
  }

  /** `told` with what earlier answers had and may stay, and when the first of that has to leave. */
  #hold(told: readonly FoundEndpoint[]): { endpoints: readonly FoundEndpoint[]; leavesInMs: number } {
    const nowMs = this.#deps.nowMs()
    const { holdMs } = this.#config
    const before = told.length === 0 ? [] : this.#seen // an answer that empties the pool means it
    const seen = new Map([...before].filter(([, { lastMs }]) => nowMs - lastMs < holdMs))
    for (const endpoint of told) seen.set(formatAddress(endpoint.address), { endpoint, lastMs: nowMs })
    this.#seen = seen
    const left = seen.values().filter(({ lastMs }) => lastMs < nowMs)
    const leavesInMs = Math.min(
      Number.POSITIVE_INFINITY,
      ...left.map(({ lastMs }) => lastMs + holdMs - nowMs),
    )
    return { endpoints: inOrder([...seen.values()].map(({ endpoint }) => endpoint)), leavesInMs }
  }

  /** Returns when to ask again. */
  #fail(reason: string): number {
    const answer = this.#answer
    this.#failed.set('lookup', (this.#failed.get('lookup') ?? 0) + 1)
    this.#answer = unconfirmed(answer, reason, this.#deps.nowMs())
    const pauseMs = Math.min(longestPauseMs, shortestMs * 2 ** this.#failures)
    this.#failures++
    const kept =
      answer.kind === 'known'
        ? 'its last answer stays in use'
        : `it has no answer yet, asked again after ${durationText(shortestMs)} and more`
    this.#tell(reason, `${reason}; ${kept}`)
    return pauseMs
  }

  /** Logs trouble once, and once that it is over. `trouble` is empty when there is none. */
  #tell(trouble: string, text: string): void {
    if (trouble === this.#told) return
    this.#told = trouble
    const fields = { pool: this.#pool, name: this.#config.name }
    const subject = `pool ${this.#pool}: ${sourceName(this.#config)}`
    if (trouble === '') this.#deps.log.info(fields, `${subject}: answered again`)
    else this.#deps.log.warn(fields, `${subject}: ${text}`)
  }
}
