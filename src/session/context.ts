import type { Turns } from '../core/balance/round-robin.ts'
import type { EndpointSnapshot, ListenerSnapshot, PoolSnapshot, Snapshot } from '../core/snapshot.ts'
import type { Tally } from '../core/tally.ts'
import type { Plane, Wire } from '../plane/plane.ts'
import type { LiveSessions } from './live.ts'
import type { PoolState } from './pool-state.ts'
import type { Reports } from './reports.ts'
import type { Signs } from './signs.ts'
import type { Waiting } from './waiting.ts'
import type { Warm } from './warm.ts'

/** Dials that ask suspect endpoints whether they are back. */
export interface SuspectTrials<W extends Wire> {
  /** Dials `endpoint` when nobody else does, in nobody's way. */
  begin(context: SessionContext<W>, pool: PoolSnapshot, endpoint: EndpointSnapshot): void
  /** Ends what is under way. */
  stop(): void
}

/** What all sessions of a worker share. */
export interface SessionContext<W extends Wire> {
  readonly plane: Plane<W>
  readonly tally: Tally
  /** This worker's row of the tally. */
  readonly row: Float64Array
  readonly reports: Reports
  readonly signs: Signs
  readonly waiting: Waiting
  readonly live: LiveSessions
  readonly trials: SuspectTrials<W>
  readonly warm: Warm<W>
  readonly turns: Turns
  readonly random: () => number
  /** A new connection's number; counts up. */
  readonly nextNumber: () => number
  /** Its id, unique among processes and nodes. */
  readonly idOf: (number: number) => string
  /** Which of a pool's source addresses comes next; counts up. */
  readonly nextSource: () => number
}

/** Where the connections of a listener go, looked up once a snapshot and read once a session. */
export interface Route {
  readonly snapshot: Snapshot
  readonly listener: ListenerSnapshot
  readonly pool: PoolSnapshot
  /** What this worker remembers of the pool from one snapshot to the next. */
  readonly state: PoolState
}

/** The routes of a snapshot by the listener's address. A listener without its pool is a bug of the publisher. */
export function routesOf(
  snapshot: Snapshot,
  stateOf: (pool: PoolSnapshot) => PoolState,
): ReadonlyMap<string, Route> {
  const pools = new Map(snapshot.pools.map((pool) => [pool.name, { pool, state: stateOf(pool) }]))
  const routes = new Map<string, Route>()
  for (const listener of snapshot.listeners) {
    const target = pools.get(listener.pool)
    if (target === undefined)
      throw new Error(`listener ${listener.name}: snapshot has no pool ${listener.pool}`)
    routes.set(listener.address, { snapshot, listener, ...target })
  }
  return routes
}
