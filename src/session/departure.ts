import { formatIp, type SocketAddress } from '../core/address.ts'
import type { MovedSession, SessionFacts } from '../core/moved.ts'
import type { Wire } from '../plane/plane.ts'
import type { Entrance, Route, SessionContext } from './context.ts'
import { countMoved } from './counted.ts'
import type { Life } from './lifetime.ts'
import type { LiveSession } from './live.ts'
import type { Relaying } from './relaying.ts'

/** A connection that may go. */
export interface Leaver<W extends Wire> {
  readonly session: LiveSession
  readonly relaying: Relaying<W>
  readonly entrance: Entrance
  readonly route: Route
  readonly client: SocketAddress
  readonly startMs: number
  readonly life: Life
  /** Of the table of sources. */
  readonly entry: number | null
  readonly own: OwnFacts
}

/** What only its session knows. */
type OwnFacts = Pick<
  SessionFacts,
  'id' | 'moves' | 'crashes' | 'nobody' | 'serverName' | 'attempts' | 'dialMs'
>

/** Lets an established connection go, and takes it out of all counts; null: it stays. */
export function depart<W extends Wire>(
  { row, live, plane, sources }: SessionContext<W>,
  { session, relaying, entrance, route, client, startMs, life, entry, own }: Leaver<W>,
): MovedSession | null {
  const { id, moves, crashes, nobody, serverName, attempts, dialMs } = own
  const left = relaying.detach()
  if (left === null) return null
  const nowMs = plane.now()
  const { listener } = entrance
  const facts: SessionFacts = {
    ...left.facts,
    id,
    moves,
    crashes,
    nobody,
    serverName,
    attempts,
    dialMs,
    listener: listener.name,
    pool: route.pool.name,
    endpoint: relaying.endpoint.id,
    client: { ip: formatIp(client), port: client.port },
    ageMs: nowMs - startMs,
    timeouts: listener.timeouts,
    onRemoval: route.pool.onRemoval,
    lifeLeftMs: life.endsMs === Number.POSITIVE_INFINITY ? null : life.endsMs - nowMs,
    counted: entry !== null,
  }
  life.cancel()
  live.remove(session)
  if (entry !== null) sources.release(entry)
  countMoved(row, listener.slot)
  const { queue } = route.state
  if (queue.size > 0) queue.look()
  return { facts, ...left.detached }
}
