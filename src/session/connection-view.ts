import { formatAddress, type SocketAddress } from '../core/address.ts'
import { type Cidr, within } from '../core/cidr.ts'
import type { Connection, ConnectionFilter, Explanation } from '../core/connection.ts'
import type { Outcome, Phase } from '../core/outcome.ts'
import { waitOf } from '../core/wait.ts'
import type { Relay } from '../plane/plane.ts'

/** What a session knows of itself when it is asked; made for the asking. */
export interface SessionView {
  readonly number: number
  /** Unique among processes and nodes; a connection keeps it where it changes process. */
  readonly id: string
  readonly startMs: number
  readonly listener: string
  /** null: it is not known yet where it goes. */
  readonly pool: string | null
  readonly client: SocketAddress
  readonly endpoint: string | null
  /** `data` for every relayed one. */
  readonly state: Phase
  readonly relay: Relay | null
}

/** What only explain() needs. */
export interface SessionStory extends SessionView {
  readonly attempts: Outcome['attempts']
  readonly connectMs: number | null
}

export function fits(view: SessionView, filter: ConnectionFilter, nowMs: number): boolean {
  const { listener, pool, endpoint, client, olderMs, idleMs } = filter
  return (
    (listener === null || view.listener === listener) &&
    (pool === null || view.pool === pool) &&
    (endpoint === null || view.endpoint === endpoint) &&
    nowMs - view.startMs >= olderMs &&
    idleOf(view, nowMs) >= idleMs &&
    (client === null || isFrom(view.client, client))
  )
}

export function connectionOf(view: SessionView, nowMs: number): Connection {
  const counts = view.relay?.counts()
  return {
    id: view.id,
    listener: view.listener,
    client: formatAddress(view.client),
    pool: view.pool,
    endpoint: view.endpoint,
    ageMs: Math.round(nowMs - view.startMs),
    idleMs: Math.round(idleOf(view, nowMs)),
    bytesUp: counts?.bytesUp ?? 0,
    bytesDown: counts?.bytesDown ?? 0,
    heldBytes: (counts?.heldUp ?? 0) + (counts?.heldDown ?? 0),
    state: counts?.halfClosed === true ? 'half-closed' : view.state,
  }
}

export function explanationOf(story: SessionStory, nowMs: number): Explanation {
  const connection = connectionOf(story, nowMs)
  const { heldUp = 0, heldDown = 0 } = story.relay?.counts() ?? {}
  const tcp = story.relay?.tcp() ?? { client: null, endpoint: null }
  const { attempts, connectMs } = story
  const waits = waitOf({ ...connection, heldUp, heldDown, tcp })
  return { ...connection, heldUp, heldDown, attempts, connectMs, waits, tcp }
}

function idleOf({ relay, startMs }: SessionView, nowMs: number): number {
  return relay === null ? nowMs - startMs : relay.idleMs(nowMs)
}

function isFrom(client: SocketAddress, range: Cidr): boolean {
  return client.family === range.family && within(range, client.bytes)
}
