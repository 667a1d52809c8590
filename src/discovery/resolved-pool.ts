import type { PoolConfig } from '../config/config.ts'
import type { EndpointAddress } from '../core/address.ts'
import type { EndpointId } from '../core/snapshot.ts'

/** A pool of the configuration with its names turned into addresses. */
export interface ResolvedPool {
  readonly config: PoolConfig
  /** Each address once; where two entries mean the same, the literal one wins, then the first. */
  readonly endpoints: readonly ResolvedEndpoint[]
  /** Names that have no address so far. */
  readonly unresolved: readonly UnresolvedName[]
}

export interface ResolvedEndpoint {
  readonly id: EndpointId
  readonly address: EndpointAddress
  /** The name it was resolved from; null when the configuration says an address. */
  readonly name: string | null
  readonly priority: number
  readonly weight: number
  readonly maxConnections: number | null
}

export interface UnresolvedName {
  /** As the configuration has it: `node-2.internal:9443`. */
  readonly endpoint: string
  /** `node-2.internal` */
  readonly name: string
  readonly priority: number
  readonly weight: number
  /** Why there is no address: `does not resolve: the name does not exist (NXDOMAIN)`. */
  readonly reason: string
  /** Since when it has none. */
  readonly sinceMs: number
}
