import { isDeepStrictEqual } from 'node:util'
import { formatAddress } from '../../core/address.ts'
import type { After } from '../after.ts'
import type { Answer, FoundEndpoint, Source } from '../discovery/source.ts'
import type { Log } from '../log.ts'
import { Rest } from '../rest.ts'
import { roughly } from '../wording.ts'
import type { Api } from './api.ts'
import { type EndpointSlice, endpointsOf, type Locality, type OurNode, portNames } from './endpoint-slice.ts'
import type { Failure, FailureKind } from './failure.ts'
import { LastKnown } from './last-known.ts'
import { ListWatch, type ServiceName } from './list-watch.ts'
import { afterFailure, type Trouble } from './trouble.ts'

export interface KubernetesOptions {
  readonly pool: string
  readonly service: ServiceName
  /** The name of the Service's port; empty where it has one port without a name. */
  readonly port: string
  readonly locality: Locality
  /** Where the last answer is kept for a start without API server, one file for each pool; null: nowhere. */
  readonly snapshotPath: string | null
}

export interface KubernetesDeps {
  readonly api: Api
  readonly node: OurNode
  readonly log: Log
  readonly after: After
  /** Monotonic milliseconds. */
  readonly nowMs: () => number
  /** Milliseconds since 1970, for the age of a file. */
  readonly wallMs: () => number
  /** 0 to 1. */
  readonly random: () => number
  /** Called after the endpoints have changed, the first answer included. */
  readonly changed: () => void
}

/** What metrics say of a source. */
export interface SourceReport {
  /** When the API server last confirmed the endpoints, by the control plane's clock; null: never. */
  readonly confirmedMs: number | null
  /** Lists and watches that failed, by kind, since the source began. */
  readonly failures: ReadonlyMap<FailureKind, number>
}

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
  readonly #failures = new Map<FailureKind, number>()
  #lastKnown: LastKnown | null = null
  #listWatch: ListWatch | null = null
  #knowledge: Knowledge
  /** By the API server, in this process. */
  #confirmedMs: number | null = null
  #trouble: Trouble = { kind: 'none' }
  /** Why there are no endpoints, as it was said last, and is not said again. */
  #emptiness: string | null = null
  /** The last ones; a rollout of a large Service changes them hundreds of times a second. */
  #slices: ReadonlyMap<string, EndpointSlice> = new Map()
  readonly #news: Rest

  constructor(options: KubernetesOptions, deps: KubernetesDeps) {
    this.#news = new Rest(() => this.#take([...this.#slices.values()]), deps)
    const { pool, service, locality } = options
    this.#options = options
    this.#deps = deps
    this.#title = `pool ${pool}: service ${service.namespace}/${service.name}`
    const { promise, resolve } = Promise.withResolvers<void>()
    this.first = promise
    this.#settled = resolve
    this.#knowledge = { kind: 'none', reason: 'is being asked for', sinceMs: deps.nowMs() }
    if (locality === 'node-only' && deps.node.name === null) this.#refuse()
    else this.#begin()
  }

  get answer(): Answer {
    const knowledge = this.#knowledge
    if (knowledge.kind === 'none') return knowledge
    const { endpoints, foundMs } = knowledge
    return { kind: 'known', endpoints, confirmedMs: this.#confirmedMs ?? foundMs }
  }

  get report(): SourceReport {
    return { confirmedMs: this.#confirmedMs, failures: this.#failures }
  }

  stop(): void {
    this.#news.stop()
    this.#listWatch?.stop()
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
      confirmed: () => this.#confirm(),
      failed: (failure) => this.#fail(failure),
    })
  }

  /** Without our node's name, every endpoint would be on another one: an empty pool that nobody could explain. */
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
    this.#knowledge = { kind: 'known', endpoints, foundMs: this.#deps.nowMs() - remembered.ageMs }
    const message = `begins with what was known ${roughly(remembered.ageMs)} ago: ${listed(endpoints)}`
    this.#deps.log.info(this.#fields(), `${this.#title} ${message}`)
  }

  #take(slices: readonly EndpointSlice[]): void {
    const before = this.#knowledge
    const endpoints = this.#choose(slices)
    this.#knowledge = { kind: 'known', endpoints, foundMs: this.#deps.nowMs() }
    this.#lastKnown?.save(slices)
    this.#tell(before.kind === 'known' ? before.endpoints : [], endpoints, slices)
    if (before.kind === 'none' || !isDeepStrictEqual(before.endpoints, endpoints)) this.#deps.changed()
    this.#settled()
  }

  #choose(slices: readonly EndpointSlice[]): readonly FoundEndpoint[] {
    const { port, locality } = this.#options
    return endpointsOf(slices, { port, locality, node: this.#deps.node })
  }

  /** Only what the pool's own log lines cannot say: that endpoints are there at last, or that a valid answer has none. */
  #tell(
    before: readonly FoundEndpoint[],
    endpoints: readonly FoundEndpoint[],
    slices: readonly EndpointSlice[],
  ): void {
    if (endpoints.length > 0) {
      if (before.length === 0 || this.#emptiness !== null) {
        this.#deps.log.info(this.#fields(), `${this.#title} has ${listed(endpoints)}`)
      }
      this.#emptiness = null
      return
    }
    const why = this.#whyEmpty(slices)
    if (before.length === 0 && why === this.#emptiness) return
    this.#emptiness = why
    this.#warn(
      before.length > 0
        ? `has no usable endpoint any more: ${why}; it had ${listed(before)}`
        : `has no usable endpoint: ${why}`,
    )
  }

  #whyEmpty(slices: readonly EndpointSlice[]): string {
    const { port, locality } = this.#options
    if (slices.length === 0) return 'it has no EndpointSlices (is there such a Service?)'
    const names = portNames(slices)
    if (!names.includes(port)) {
      const there = names.length === 0 ? 'none at all' : `only ${names.map(quoted).join(', ')}`
      return `it has no TCP port named ${quoted(port)}, ${there}`
    }
    return locality === 'node-only' ? `none is ready on node ${this.#deps.node.name}` : 'none is ready'
  }

  #confirm(): void {
    const nowMs = this.#deps.nowMs()
    this.#confirmedMs = nowMs
    if (this.#trouble.kind === 'told') {
      const message = `${this.#title} is followed again after ${roughly(nowMs - this.#trouble.sinceMs)}`
      this.#deps.log.info(this.#fields(), message)
    }
    this.#trouble = { kind: 'none' }
  }

  #fail(failure: Failure): void {
    const { kind, message } = failure
    this.#failures.set(kind, (this.#failures.get(kind) ?? 0) + 1)
    const knowledge = this.#knowledge
    if (knowledge.kind === 'none')
      this.#knowledge = { ...knowledge, reason: `cannot be asked for: ${message}` }
    const { trouble, tell } = afterFailure(
      this.#trouble,
      failure,
      this.#confirmedMs === null,
      this.#deps.nowMs(),
    )
    this.#trouble = trouble
    if (tell) {
      const known = knowledge.kind === 'known'
      const kept = known ? `it keeps ${listed(knowledge.endpoints)}` : 'it has no endpoints yet'
      this.#warn(`cannot be followed at ${this.#deps.api.server}: ${message}; ${kept}`)
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
  | { readonly kind: 'known'; readonly endpoints: readonly FoundEndpoint[]; readonly foundMs: number }

function unknownPlace(locality: Locality): string {
  return locality === 'prefer-zone'
    ? 'the zone of this node is not known (set ZONE)'
    : 'the name of this node is not known (set NODE_NAME from spec.nodeName)'
}

/** As many as a line of the log can bear. */
const maxListed = 10

function listed(endpoints: readonly FoundEndpoint[]): string {
  const count = endpoints.length === 1 ? '1 endpoint' : `${endpoints.length} endpoints`
  if (endpoints.length === 0) return count
  const first = endpoints.slice(0, maxListed).map(({ address }) => formatAddress(address))
  const more = endpoints.length > maxListed ? ` and ${endpoints.length - maxListed} more` : ''
  return `${count}: ${first.join(', ')}${more}`
}

function quoted(name: string): string {
  return `\`${name}\``
}
