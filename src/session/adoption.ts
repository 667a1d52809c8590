import { socketAddress } from '../core/address.ts'
import { goneEndpoint, goneListener } from '../core/gone.ts'
import type { AdoptedFrom, MovedSession, SessionFacts } from '../core/moved.ts'
import { RetryBudget } from '../core/retry-budget.ts'
import type {
  EndpointId,
  EndpointSnapshot,
  ListenerSnapshot,
  PoolSnapshot,
  Snapshot,
} from '../core/snapshot.ts'
import type { Wire } from '../plane/plane.ts'
import type { Entrance, Route, SessionContext } from './context.ts'
import type { PoolState } from './pool-state.ts'
import { Queue } from './queue.ts'
import { ResumedSession } from './resumed.ts'

/** A listener's entrance as it is now, by its name; a pool with what this worker remembers of it. */
export interface Places {
  readonly snapshot: Snapshot
  readonly listener: (name: string) => ListenerSnapshot | undefined
  readonly pool: (name: string) => { readonly pool: PoolSnapshot; readonly state: PoolState } | undefined
}

export function adoptAll<W extends Wire>(
  context: SessionContext<W>,
  places: Places,
  { from, sessions }: { readonly from: AdoptedFrom; readonly sessions: readonly MovedSession[] },
): void {
  for (const moved of sessions) adopt(context, places, from, moved)
}

/**
 * Goes on with a connection that another process, or this one, has let go. It keeps the timeouts that it
 * began with. What it came by and where it goes may not exist here: then it counts in a slot of its own.
 */
function adopt<W extends Wire>(
  context: SessionContext<W>,
  places: Places,
  from: AdoptedFrom,
  moved: MovedSession,
): void {
  const { plane } = context
  if (plane.adopt === null) throw new Error('this plane adopts no connections')
  const { facts } = moved
  const { snapshot } = places
  const listener = { ...(places.listener(facts.listener) ?? goneListenerOf(facts)), timeouts: facts.timeouts }
  const { pool, state } = places.pool(facts.pool) ?? gonePoolOf(context, facts)
  const endpoint = pool.endpoints.find(({ id }) => id === facts.endpoint) ?? goneEndpointOf(facts)
  const route: Route = { snapshot, listener, pool, state }
  const entrance: Entrance = { snapshot, listener, rest: route, routes: new Map() }
  const wires = plane.adopt(moved)
  const entry = facts.counted ? countedAgain(context, listener, facts) : null
  new ResumedSession(context, { from, entrance, route, endpoint, wires, entry }, moved)
}

/** Its source has it here, whatever the limit is: it was let in before. */
function countedAgain<W extends Wire>(
  { sources, sharedMs }: SessionContext<W>,
  { admission }: ListenerSnapshot,
  { client: { ip, port } }: SessionFacts,
): number | null {
  const limit = admission?.perSource ?? null
  const client = socketAddress(ip, port)
  if (admission === null || limit === null || client === undefined) return null
  const unlimited = { ...limit, perSecond: null, dryRun: true }
  const verdict = sources.admit(admission.listener, unlimited, client, sharedMs())
  return verdict.kind === 'counted' ? verdict.entry : null
}

function goneListenerOf({ listener: name, timeouts }: SessionFacts): ListenerSnapshot {
  return {
    name,
    address: '',
    slot: goneListener,
    pool: null,
    routes: null,
    maxConnections: null,
    admission: null,
    perSecond: null,
    refuse: 'reset',
    headerMs: 0,
    prefaceMs: 0,
    timeouts,
  }
}

function goneEndpointOf({ endpoint, onRemoval }: SessionFacts): EndpointSnapshot {
  return {
    id: endpoint as EndpointId,
    slot: goneEndpoint[onRemoval],
    address: { family: 'unix', path: '' }, // nobody dials it
    priority: 0,
    weight: 1,
    maxConnections: null,
  }
}

function gonePoolOf<W extends Wire>(
  { plane }: SessionContext<W>,
  { pool: name, onRemoval }: SessionFacts,
): { readonly pool: PoolSnapshot; readonly state: PoolState } {
  const pool: PoolSnapshot = {
    name,
    endpoints: [],
    proxyProtocol: 'off',
    balance: 'p2c',
    connect: { timeoutMs: 0, budgetMs: 0, attempts: 0, source: [], hedgeAfterMs: 0 },
    queue: { connections: 0, timeoutMs: 0 },
    panic: false,
    transparent: false,
    warm: null,
    onRemoval,
  }
  const queue = new Queue(
    (ms, fire) => plane.after(ms, fire),
    () => {},
    0,
    0,
  )
  return { pool, state: { pool, retries: new RetryBudget(), queue, pausing: new Set() } }
}
