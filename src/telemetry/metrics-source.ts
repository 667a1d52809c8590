import type { Tally } from '../core/tally.ts'

/** What the metrics are made from. Read at each scrape, on the main thread; nothing here may wait for a worker. */
export interface MetricsSource {
  readonly tally: Tally
  /** Names are unique. */
  listeners(): readonly { readonly name: string; readonly slot: number }[]
  /** A pair of pool and endpoint is unique. Endpoints that left are listed for ten minutes more, with `up: false`. */
  endpoints(): readonly EndpointSource[]
  /** Pools whose endpoints are discovered. */
  discovery(): readonly DiscoverySource[]
  /** Probes answered since the start. */
  healthChecks(): { readonly success: number; readonly failure: number }
  draining(): boolean
  lastReloadSuccessful(): boolean
  logLinesDropped(): number
  workerRestarts(): number
  readonly build: { readonly version: string; readonly plane: string; readonly node: string }
  /** The soft limit of descriptors. */
  readonly openFileLimit: number
}

export interface EndpointSource {
  readonly pool: string
  readonly endpoint: string
  readonly slot: number
  /** It gets connections: not down, ejected or drained. */
  readonly up: boolean
  /** What it gets of the connections that are its due: 1, less in slow start, 0 when it is not up. */
  readonly share: number
  /** Ejections since it exists. */
  readonly ejections: number
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
