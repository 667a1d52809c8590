import type { Turns } from '../core/balance/round-robin.ts'
import type { PairRows } from '../core/pair-rows.ts'
import type { PerSourceTable } from '../core/per-source.ts'
import { routedPools } from '../core/route.ts'
import type { EndpointSnapshot, ListenerSnapshot, PoolSnapshot, Snapshot } from '../core/snapshot.ts'
import type { Tally } from '../core/tally.ts'
import type { Plane, Wire } from '../plane/plane.ts'
import type { LiveSessions } from './live.ts'
import type { Lobby } from './lobby.ts'
import type { PoolState } from './pool-state.ts'
import type { Refusals } from './refusals.ts'
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
  /** What connections of one source have, over all workers. */
  readonly sources: PerSourceTable
  /** Where connections that last are written down, and who their worker is. */
  readonly pairs: { readonly rows: PairRows; readonly owner: number }
  /** Milliseconds of the clock that all threads share: the time of `sources` and of `pairs`. */
  readonly sharedMs: () => number
  readonly lobby: Lobby
  readonly refusals: Refusals
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

/** A listener as its connections find it, looked up once a snapshot and read once a session. */
export interface Entrance {
  readonly snapshot: Snapshot
  readonly listener: ListenerSnapshot
  /** Where those go that no route takes; null: they are refused. */
  readonly rest: Route | null
  /** By the names of the pools that routes lead to. */
  readonly routes: ReadonlyMap<string, Route>
}

/** Where a connection of a listener goes. */
export interface Route {
  readonly snapshot: Snapshot
  readonly listener: ListenerSnapshot
  readonly pool: PoolSnapshot
  /** What this worker remembers of the pool from one snapshot to the next. */
  readonly state: PoolState
}

/**
 * The entrances of a snapshot by the listener's address. A listener without its pools is a bug of the
 * publisher.
 */
export function entrancesOf(
  snapshot: Snapshot,
  stateOf: (pool: PoolSnapshot) => PoolState,
): ReadonlyMap<string, Entrance> {
  const pools = new Map(snapshot.pools.map((pool) => [pool.name, { pool, state: stateOf(pool) }]))
  const entrances = new Map<string, Entrance>()
  for (const listener of snapshot.listeners) {
    const routeTo = (name: string): Route => {
      const target = pools.get(name)
      if (target === undefined) throw new Error(`listener ${listener.name}: snapshot has no pool ${name}`)
      return { snapshot, listener, ...target }
    }
    const names = listener.routes === null ? [] : routedPools(listener.routes)
    const rest = listener.pool === null ? null : routeTo(listener.pool)
    const routes = new Map(names.map((name) => [name, routeTo(name)]))
    entrances.set(listener.address, { snapshot, listener, rest, routes })
  }
  return entrances
}

/** Every pool that the listener's connections may go to. */
export function targetsOf({ rest, routes }: Entrance): readonly Route[] {
  return rest === null ? [...routes.values()] : [rest, ...routes.values()]
}
