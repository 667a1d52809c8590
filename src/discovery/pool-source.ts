import { formatAddress } from '../core/address.ts'
import type { EndpointId } from '../core/snapshot.ts'
import { specialOf } from '../core/special-address.ts'
import type { DiscoveryStatus } from '../core/status.ts'
import { errorText, someOf } from '../core/wording.ts'
import type { OpenSource, SourceRequest } from './open-source.ts'
import type { ResolvedEndpoint, UnresolvedName } from './resolved-pool.ts'
import type { Emptiness, FoundEndpoint, Source, SourceDeps } from './source.ts'
import { sourceName } from './source-name.ts'

/** Anyone who can write one record can write many, and a log full of them helps nobody. */
const maxRefusalsTold = 100

interface Unusable {
  readonly reason: string
  readonly sinceMs: number
}

/** The source of one pool, and what the pool takes of its answers. */
export class PoolSource {
  /** Resolves when there is a first answer, or a first failure. Never rejects. */
  readonly first: Promise<void>
  readonly #request: SourceRequest
  readonly #deps: SourceDeps
  readonly #name: string
  readonly #startedMs: number
  /** null: its code is being loaded, or could not be. */
  #source: Source | null = null
  #failure = 'is being asked'
  #endpoints: readonly ResolvedEndpoint[]
  /** The source has said something that #endpoints do not show yet. */
  #behind = false
  /** Why nothing of a known answer can be used; null: something can, or it is validly empty. */
  #unusable: Unusable | null = null
  #stopped = false
  /** Addresses whose refusal was logged. */
  readonly #told = new Set<EndpointId>()
  /** What the log said when the pool became empty; null: it is not empty. */
  #emptinessTold: Emptiness | null = null

  /** `before`: the pool's endpoints until there is an answer. */
  constructor(
    request: SourceRequest,
    before: readonly ResolvedEndpoint[],
    open: OpenSource,
    deps: SourceDeps,
  ) {
    this.#request = request
    this.#deps = deps
    this.#name = sourceName(request.discovery)
    this.#startedMs = deps.nowMs()
    this.#endpoints = before
    this.first = this.#open(open)
  }

  /**
   * Each address once. Computed when asked for, so that of a burst of answers only the last one costs
   * anything.
   */
  get endpoints(): readonly ResolvedEndpoint[] {
    if (this.#behind) this.#take()
    return this.#endpoints
  }

  /** What stands for the endpoints while nothing is known. */
  get unresolved(): readonly UnresolvedName[] {
    const nothing = this.#nothing()
    if (nothing === null || nothing === this.#unusable) return []
    return [{ endpoint: this.#name, name: this.#name, priority: 0, weight: 1, ...nothing }]
  }

  status(): DiscoveryStatus {
    const nowMs = this.#deps.nowMs()
    const failures = Object.fromEntries(this.#source?.failures ?? [])
    const common = { source: this.#name, endpoints: this.endpoints.length, failures }
    const nothing = this.#nothing()
    const answer = this.#source?.answer
    if (answer?.kind !== 'known') {
      const { reason, sinceMs } = nothing ?? { reason: this.#failure, sinceMs: this.#startedMs }
      return { ...common, state: 'none', reason, ageMs: nowMs - sinceMs, failing: null }
    }
    const { confirmedMs, failing, emptiness } = answer
    return {
      ...common,
      state: 'known',
      reason: nothing?.reason ?? (this.#endpoints.length === 0 ? (emptiness?.text ?? '') : ''),
      ageMs: nowMs - confirmedMs,
      failing: failing && { reason: failing.reason, forMs: nowMs - failing.sinceMs },
    }
  }

  stop(): void {
    this.#stopped = true
    this.#source?.stop()
  }

  async #open(open: OpenSource): Promise<void> {
    const changed = (): void => {
      if (!this.#stopped) this.#notice()
    }
    try {
      const source = await open(this.#request, { ...this.#deps, changed })
      if (this.#stopped) return source.stop()
      this.#source = source
      this.#notice() // what the source said before anyone was listening
      await source.first
    } catch (error) {
      const { pool } = this.#request
      this.#failure = `cannot be asked: ${errorText(error)}`
      this.#deps.log.error({ pool, err: error }, `pool ${pool}: ${this.#name} ${this.#failure}`)
    }
  }

  #notice(): void {
    if (this.#source?.answer.kind !== 'known') return
    this.#behind = true
    this.#deps.changed()
  }

  /** Why there is nothing to use, or null. */
  #nothing(): Unusable | null {
    if (this.#behind) this.#take()
    const answer = this.#source?.answer
    if (answer?.kind === 'known') return this.#unusable
    const { reason, sinceMs } = answer ?? { reason: this.#failure, sinceMs: this.#startedMs }
    return { reason, sinceMs }
  }

  /** Makes the source's answer the pool's, if something in it can be used or it is validly empty. */
  #take(): void {
    this.#behind = false
    const answer = this.#source?.answer
    if (answer?.kind !== 'known') return
    const endpoints = eachOnce(answer.endpoints.filter((found) => this.#admits(found)))
    // Name servers that block a name say 0.0.0.0: an answer without anything usable is no reason to lose what
    // there is.
    if (endpoints.length === 0 && answer.endpoints.length > 0) {
      const sinceMs = this.#unusable?.sinceMs ?? this.#deps.nowMs()
      const reason = 'all that it says is refused: these addresses are special (see `allowSpecial`)'
      this.#unusable = { reason, sinceMs }
      return
    }
    this.#unusable = null
    if (endpoints.length > 0) this.#emptinessTold = null
    else this.#tellEmptiness(answer.emptiness ?? { kind: 'gone', text: 'there is none' })
    this.#endpoints = endpoints
  }

  /** One line when it begins, and another when something turns out to be wrong. */
  #tellEmptiness(emptiness: Emptiness): void {
    const told = this.#emptinessTold
    if (told !== null && (emptiness.kind === 'gone' || emptiness.text === told.text)) return
    this.#emptinessTold = emptiness
    const { pool } = this.#request
    const had = this.#endpoints.map(({ id }) => id)
    const before = had.length === 0 ? '' : `; it had ${someOf(had)}`
    const none = had.length === 0 ? 'has no endpoint' : 'has no endpoint any more'
    const replaced = had.slice(0, maxRefusalsTold)
    this.#deps.log.warn({ pool, replaced }, `pool ${pool}: ${this.#name} ${none}: ${emptiness.text}${before}`)
  }

  #admits({ address }: FoundEndpoint): boolean {
    const special = specialOf(address)
    if (special === null || this.#request.discovery.allowSpecial) return true
    const endpoint = formatAddress(address) as EndpointId
    if (!this.#told.has(endpoint) && this.#told.size < maxRefusalsTold) {
      this.#told.add(endpoint)
      const { pool } = this.#request
      const message = `pool ${pool}: ${this.#name} says ${endpoint}, which is refused because it is ${special}; \`allowSpecial: true\` accepts it`
      this.#deps.log.warn({ pool, endpoint, special }, message)
    }
    return false
  }
}

/** Of an address that is found twice, the one that is used first. */
function eachOnce(found: readonly FoundEndpoint[]): readonly ResolvedEndpoint[] {
  const byId = new Map<EndpointId, ResolvedEndpoint>()
  for (const { address, name, priority, weight } of found) {
    const id = formatAddress(address) as EndpointId
    if ((byId.get(id)?.priority ?? Number.POSITIVE_INFINITY) <= priority) continue
    byId.set(id, { id, address, name, priority, weight, maxConnections: null })
  }
  return [...byId.values()]
}
