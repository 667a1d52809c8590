import { isDeepStrictEqual } from 'node:util'
import type { Locality } from '../../config/config.ts'
import { formatAddress } from '../../core/address.ts'
import { roughly } from '../../core/wording.ts'
import { inBursts, Rest } from '../rest.ts'
import type { Answer, Emptiness, Failing, FoundEndpoint, Source, SourceDeps } from '../source.ts'
import type { Api } from './api.ts'
import { emptinessOf } from './emptiness.ts'
import { type EndpointSlice, endpointsOf, type OurNode } from './endpoint-slice.ts'
import { type Failure, type FailureKind, failureKinds } from './failure.ts'
import { LastKnown } from './last-known.ts'
import { type Asked, ListWatch, type ServiceName } from './list-watch.ts'
import { afterConfirmation, afterFailure, type Trouble } from './trouble.ts'

export interface KubernetesOptions {
  readonly pool: string
  readonly service: ServiceName
  /** The name of the Service's port; empty where it has one port without a name. */
  readonly port: string
  readonly locality: Locality
  /** Where the last answer is kept for a start without API server, one file for each pool; null: nowhere. */
  readonly snapshotPath: string | null
}

/** `changed` is called for the first answer too. */
export interface KubernetesDeps extends SourceDeps {
  readonly api: Api
  readonly node: OurNode
  /** Milliseconds since 1970, for the age of a file. */
  readonly wallMs: () => number
}

/** A Service of a few slices is followed without delay. */
const mostAtOnce = 10
/**
 * As kube-proxy's minSyncPeriod: a rollout of hundreds of slices is hundreds of events, and one new set a
 * second will do.
 */
const paceMs = 1_000

/** The endpoints of a Service's port, as the cluster's EndpointSlices have them. */
export function kubernetesSource(options: KubernetesOptions, deps: KubernetesDeps): KubernetesSource {
  return new KubernetesSource(options, deps)
}

export class KubernetesSource implements Source {
  readonly first: Promise<void>
  readonly #options: KubernetesOptions
  readonly #deps: KubernetesDeps
  /** `pool web: service default/kong` */
  readonly #title: string
  readonly #settled: () => void
  readonly #failures = new Map<FailureKind, number>(failureKinds.map((kind) => [kind, 0]))
  #lastKnown: LastKnown | null = null
  #listWatch: ListWatch | null = null
  #knowledge: Knowledge
  /** By the API server, in this process. */
  #confirmedMs: number | null = null
  #trouble: Trouble = { kind: 'none' }
  /** As the API server has them now; what is known of them may be a second behind. */
  #slices: ReadonlyMap<string, EndpointSlice> = new Map()
  readonly #news: Rest

  constructor(options: KubernetesOptions, deps: KubernetesDeps) {
    const { pool, service, locality } = options
    this.#options = options
    this.#deps = deps
    this.#title = `pool ${pool}: service ${service.namespace}/${service.name}`
    const { promise, resolve } = Promise.withResolvers<void>()
    this.first = promise
    this.#settled = resolve
    const restMs = inBursts(mostAtOnce, paceMs, deps.nowMs)
    this.#news = new Rest(() => this.#take([...this.#slices.values()]), deps, restMs)
    this.#knowledge = { kind: 'none', reason: 'is being asked for', sinceMs: deps.nowMs() }
    if (locality === 'node-only' && deps.node.name === null) this.#refuse()
    else this.#begin()
  }

  get answer(): Answer {
    const knowledge = this.#knowledge
    if (knowledge.kind === 'none') return knowledge
    const { endpoints, emptiness, foundMs } = knowledge
    const confirmedMs = this.#confirmedMs ?? foundMs
    return { kind: 'known', endpoints, emptiness, confirmedMs, failing: failingOf(this.#trouble) }
  }

  get failures(): ReadonlyMap<FailureKind, number> {
    return this.#failures
  }

  stop(): void {
    this.#listWatch?.stop()
    this.#news.stop()
    this.#lastKnown?.stop()
    this.#settled()
  }

  #begin(): void {
    const { service, snapshotPath, locality } = this.#options
    if (!this.#knowsPlace()) this.#warn(`${locality} has no effect: ${unknownPlace(locality)}`)
    if (snapshotPath !== null) {
      this.#lastKnown = new LastKnown(snapshotPath, service, this.#deps)
      this.#remember(this.#lastKnown)
    }
    const { api, after, nowMs, random } = this.#deps
    this.#listWatch = new ListWatch(service, {
      api,
      after,
      nowMs,
      random,
      slices: (slices) => {
        this.#slices = slices
        this.#news.ask()
      },
      confirmed: (by) => this.#confirm(by),
      failed: (failure, asked) => this.#fail(failure, asked),
    })
  }

  /**
   * Without our node's name, every endpoint would be on another one: an empty pool that nobody could explain.
   */
  #refuse(): void {
    const reason = `node-only is not possible: ${unknownPlace('node-only')}`
    this.#knowledge = { kind: 'none', reason, sinceMs: this.#deps.nowMs() }
    this.#deps.log.error(this.#fields(), `${this.#title}: ${reason}`)
    this.#settled()
  }

  #knowsPlace(): boolean {
    const { name, zone } = this.#deps.node
    switch (this.#options.locality) {
      case 'any':
        return true
      case 'prefer-node':
      case 'node-only':
        return name !== null
      case 'prefer-zone':
        return zone !== null
    }
  }

  #remember(lastKnown: LastKnown): void {
    const remembered = lastKnown.load()
    if (remembered === null) return
    const endpoints = this.#choose(remembered.slices)
    if (endpoints.length === 0) return
    const foundMs = this.#deps.nowMs() - remembered.ageMs
    this.#knowledge = { kind: 'known', endpoints, emptiness: null, foundMs }
    const old = remembered.ageMs > oldMs
    const message = `begins with what was known ${ageText(remembered.ageMs)} ago: ${listed(endpoints)}`
    this.#deps.log[old ? 'warn' : 'info'](this.#fields(), `${this.#title} ${message}`)
  }

  #take(slices: readonly EndpointSlice[]): void {
    const before = this.#knowledge
    const endpoints = this.#choose(slices)
    const emptiness = endpoints.length > 0 ? null : emptinessOf(slices, this.#choice)
    this.#knowledge = { kind: 'known', endpoints, emptiness, foundMs: this.#deps.nowMs() }
    this.#lastKnown?.save(slices)
    if (before.kind === 'none' && endpoints.length > 0) {
      this.#deps.log.info(this.#fields(), `${this.#title} has ${listed(endpoints)}`)
    }
    const same =
      before.kind === 'known' &&
      isDeepStrictEqual([before.endpoints, before.emptiness], [endpoints, emptiness])
    if (!same) this.#deps.changed()
    this.#settled()
  }

  get #choice() {
    const { port, locality } = this.#options
    return { port, locality, node: this.#deps.node }
  }

  #choose(slices: readonly EndpointSlice[]): readonly FoundEndpoint[] {
    return endpointsOf(slices, this.#choice)
  }

  #confirm(by: Asked['request']): void {
    const nowMs = this.#deps.nowMs()
    const before = this.#trouble
    const lastMs = this.#confirmedMs
    this.#confirmedMs = nowMs
    this.#trouble = afterConfirmation(before, by)
    this.#lastKnown?.confirm()
    if (before.kind !== 'told' || this.#trouble.kind !== 'none') return
    const blindMs = nowMs - (lastMs ?? before.sinceMs)
    this.#deps.log.info(this.#fields(), `${this.#title} is followed again after ${roughly(blindMs)}`)
  }

  #fail(failure: Failure, asked: Asked): void {
    const { kind, message } = failure
    this.#failures.set(kind, (this.#failures.get(kind) ?? 0) + 1)
    const knowledge = this.#knowledge
    if (knowledge.kind === 'none')
      this.#knowledge = { ...knowledge, reason: `cannot be asked for: ${message}` }
    const first = this.#confirmedMs === null
    const { trouble, tell } = afterFailure(this.#trouble, failure, asked, first, this.#deps.nowMs())
    this.#trouble = trouble
    if (tell) {
      const known = knowledge.kind === 'known'
      const kept = known ? `it keeps ${listed(knowledge.endpoints)}` : 'it has no endpoints yet'
      const what = asked.request === 'watch' && !asked.worked ? 'watched' : 'followed'
      const { server } = this.#deps.api
      this.#warn(`cannot be ${what}${server === null ? '' : ` at ${server}`}: ${message}; ${kept}`)
    }
    this.#settled()
  }

  #warn(message: string): void {
    this.#deps.log.warn(this.#fields(), `${this.#title} ${message}`)
  }

  #fields(): object {
    const { pool, service } = this.#options
    return { pool, service: `${service.namespace}/${service.name}` }
  }
}

type Knowledge =
  | { readonly kind: 'none'; readonly reason: string; readonly sinceMs: number }
  | {
      readonly kind: 'known'
      readonly endpoints: readonly FoundEndpoint[]
      readonly emptiness: Emptiness | null
      readonly foundMs: number
    }

/** One loss that a list has mended is no failure. */
function failingOf(trouble: Trouble): Failing | null {
  if (trouble.kind === 'none' || trouble.kind === 'doubt') return null
  return { sinceMs: trouble.sinceMs, reason: trouble.reason }
}

const hourMs = 3_600_000
const dayMs = 24 * hourMs
/** After that long the addresses have often passed to other Pods. */
const oldMs = dayMs

function ageText(ms: number): string {
  if (ms >= 2 * dayMs) return `${Math.floor(ms / dayMs)} days`
  return roughly(ms < hourMs ? ms : Math.round(ms / hourMs) * hourMs)
}

function unknownPlace(locality: Locality): string {
  return locality === 'prefer-zone'
    ? 'the zone of this node is not known (set ZONE)'
    : 'the name of this node is not known (set NODE_NAME from spec.nodeName)'
}

/** As many as fit a line of the log. */
const maxListed = 10

function listed(endpoints: readonly FoundEndpoint[]): string {
  const count = endpoints.length === 1 ? '1 endpoint' : `${endpoints.length} endpoints`
  if (endpoints.length === 0) return count
  const first = endpoints.slice(0, maxListed).map(({ address }) => formatAddress(address))
  const more = endpoints.length > maxListed ? ` and ${endpoints.length - maxListed} more` : ''
  return `${count}: ${first.join(', ')}${more}`
}
