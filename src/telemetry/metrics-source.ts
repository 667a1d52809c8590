import type { KnownState, PredecessorStatus } from '../core/status.ts'
import type { poolHistograms, Tally } from '../core/tally.ts'

/**
 * What the metrics are made from. Read at each scrape, on the main thread; nothing here may wait for a
 * worker.
 */
export interface MetricsSource {
  readonly tally: Tally
  /** Names are unique. */
  listeners(): readonly { readonly name: string; readonly slot: number }[]
  /** Files with the ranges of listeners. `current`: the list is what the file says now. */
  rangeFiles(): readonly { readonly listener: string; readonly list: string; readonly current: boolean }[]
  /** A pair of pool and endpoint is unique. Endpoints that left are listed for ten minutes more. */
  endpoints(): readonly EndpointSource[]
  /** Of every pool in use, its histograms: a cell a bucket (not cumulative), then the sum in seconds. */
  poolTimes(): readonly ({ readonly pool: string } & PoolTimes)[]
  /** Names that have no address so far. */
  unresolved(): readonly { readonly pool: string; readonly endpoint: string }[]
  /** Connections that the program takes at most. */
  connectionsLimit(): number
  /** Pools whose endpoints are discovered. */
  discovery(): readonly DiscoverySource[]
  /** Probes answered since the start. */
  healthChecks(): { readonly success: number; readonly failure: number }
  draining(): boolean
  lastReloadSuccessful(): boolean
  logLinesDropped(): number
  workerDeaths(): WorkerDeaths
  /** Processes that have handed over to this one and still carry connections. */
  predecessors(): readonly PredecessorStatus[]
  readonly build: { readonly version: string; readonly plane: string; readonly node: string }
  /** The soft limit of descriptors. */
  readonly openFileLimit: number
}

export type PoolTimes = Readonly<Record<keyof typeof poolHistograms, Float64Array>>

export interface EndpointSource {
  readonly pool: string
  readonly endpoint: string
  readonly slot: number
  /** Ejections since the record was made. */
  readonly ejections: number
  /** null: it has left, and only what was counted of it is still told. */
  readonly now: {
    readonly state: KnownState
    /** It gets connections: not down, ejected or drained. */
    readonly up: boolean
    /** What it gets of the connections that are its due: 1, less in slow start, 0 when it is not up. */
    readonly share: number
  } | null
}

export interface DiscoverySource {
  readonly pool: string
  /** Time since the source confirmed what is used. */
  readonly ageMs: number
  /** How many are used. */
  readonly endpoints: number
  /** What has failed since the source began, by kind. */
  readonly failures: Readonly<Record<string, number>>
}

export interface WorkerDeaths {
  /** How many died and were replaced. */
  readonly restarts: number
  /** Of their connections, how many went on, and of the others, why not. */
  readonly adopted: number
  readonly lost: Readonly<Record<string, number>>
}
