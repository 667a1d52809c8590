import type { PlaneName } from './message.ts'
import type { Cause, Limit, Refusal } from './outcome.ts'

/** What `/status` and `spliceway status` show: one plain picture of the program, made when asked for. */
export interface Status {
  readonly version: string
  readonly node: string
  readonly pid: number
  readonly plane: { readonly name: PlaneName; readonly why: string }
  readonly state: 'starting' | 'serving' | 'draining'
  readonly uptimeMs: number
  /** `limitedBy`: what to change for a higher limit. */
  readonly connections: { readonly active: number; readonly limit: number; readonly limitedBy: string }
  readonly listeners: readonly ListenerStatus[]
  readonly pools: readonly PoolStatus[]
  readonly workers: readonly WorkerStatus[]
  readonly config: ConfigStatus
  /** Processes that have handed over to this one and still carry connections. */
  readonly predecessors: readonly PredecessorStatus[]
}

/** As it told last. */
export interface PredecessorStatus {
  /** As it knows itself: in a Pod of its own that is 1. */
  readonly pid: number
  readonly version: string
  readonly connections: number
  /** When it ends at the latest; null: while it would still take its place back. */
  readonly endsInMs: number | null
  /** It tells every second: one that has been silent for much longer hangs. */
  readonly heardMsAgo: number
}

export interface ListenerStatus {
  readonly name: string
  /** As bound, `[::]:443`. */
  readonly address: string
  /** null: what no route takes is refused. */
  readonly pool: string | null
  /** Names that its routes look for; 0: there are none, and nothing is read. */
  readonly routes: number
  /** Connections refused by its rules so far, by reason. */
  readonly refused: Partial<Record<Refusal, number>>
  readonly active: number
  readonly accepted: number
  /** Connections that ended so far for a cause that an operator should look at (`failures`), by cause. */
  readonly failed: Partial<Record<Cause, number>>
  /** So far, client to endpoint. */
  readonly bytesUp: number
  readonly bytesDown: number
  readonly maxConnections: number | null
  /** The limit that leaves no room for one more connection; null: there is room. */
  readonly full: Limit | null
}

export interface PoolStatus {
  readonly name: string
  readonly balance: string
  /** No endpoint is up: all are tried. */
  readonly panic: boolean
  /**
   * No endpoint is up, and `panic: off` says that those that probes call down are not tried: clients wait.
   */
  readonly waiting: boolean
  readonly endpoints: readonly EndpointStatus[]
  /** null: the configuration lists the endpoints. */
  readonly discovery: DiscoveryStatus | null
}

/** Where the endpoints of a pool come from, and how sure that is. */
export interface DiscoveryStatus {
  /** `dns gateways.example.net SRV` */
  readonly source: string
  /** none: it has not answered yet. */
  readonly state: 'known' | 'none'
  /** Why there is no answer, or why the answer has no endpoint; empty otherwise. */
  readonly reason: string
  /** Why and for how long what is known cannot be confirmed; null: it can, or nothing is known. */
  readonly failing: { readonly reason: string; readonly forMs: number } | null
  /** What has failed since the source began, by kind. */
  readonly failures: Readonly<Record<string, number>>
  /** Time since the source confirmed what is used; since it was first asked, while there is no answer. */
  readonly ageMs: number
  /** How many are used. */
  readonly endpoints: number
}

/** What an endpoint that has an address can be. */
export const knownStates = ['up', 'down', 'unknown', 'suspect', 'silent', 'ejected', 'draining'] as const
export type KnownState = (typeof knownStates)[number]
export type EndpointState = KnownState | 'unresolved'

export interface EndpointStatus {
  /** `10.0.0.5:9443`, or the name that does not resolve. */
  readonly endpoint: string
  /** The name it was resolved from; null when the configuration says an address. */
  readonly name: string | null
  readonly priority: number
  readonly weight: number
  /** What it gets of the connections that are its due: 1, less in slow start, 0 when it is not up. */
  readonly share: number
  /**
   * unknown: no probe has answered yet, used like up. suspect: a dial has no answer, used last. silent: it
   * accepts and says nothing, used last. unresolved: a name without any answer so far.
   */
  readonly state: EndpointState
  /** Why it is not up; the last probe's answer when it is. */
  readonly reason: string
  /** Time in this state. */
  readonly forMs: number
  readonly active: number
}

export interface WorkerStatus {
  readonly index: number
  readonly alive: boolean
  readonly heartbeatAgeMs: number
  readonly active: number
  readonly restarts: number
}

export interface ConfigStatus {
  /** `config/edge.yaml`, or `command line`. */
  readonly source: string
  readonly loadedMsAgo: number
  readonly lastReload: { readonly successful: boolean; readonly message: string }
}
