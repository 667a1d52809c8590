import type { RelaySockets, Wire } from '../plane/plane.ts'
import type { SessionContext } from './context.ts'
import type { Leaver } from './departure.ts'

/**
 * Writes down what main has to know of an established connection when this worker is dead. False: there is no
 * room for it, or it is (null) none any more.
 */
export function writeDown<W extends Wire>(
  { plane, pairs, sharedMs, idOf }: SessionContext<W>,
  leaver: Leaver<W> | null,
  sockets: RelaySockets,
): boolean {
  if (leaver === null) return false
  const { session, relaying, entrance, route, client, startMs, life, entry, own } = leaver
  const { id, moves, crashes, nobody, serverName, attempts, dialMs } = own
  const [first] = attempts
  // The one dial of a connection that had no trouble is a number, and so is an id of this worker's making.
  const isPlain = attempts.length === 1 && first !== undefined && first.error === null
  const isOwn = id === idOf(session.number)
  const originMs = sharedMs() - plane.now()
  return pairs.rows.write(sockets.downstream, pairs.owner, {
    ...sockets,
    listener: entrance.listener.slot,
    endpoint: relaying.endpoint.slot,
    id: { worker: isOwn ? pairs.owner : 0, number: session.number },
    client,
    startMs: startMs + originMs,
    relayedMs: relaying.sinceMs + originMs,
    endsMs: life.endsMs + originMs,
    dialMs: isPlain ? first.ms : dialMs,
    firstByteMs: relaying.firstByteMs ?? -1,
    timeouts: entrance.listener.timeouts,
    nobody,
    counted: entry !== null,
    warm: relaying.warm,
    closeOnRemoval: route.pool.onRemoval === 'close',
    moves,
    crashes,
    words: { id: isOwn ? null : id, serverName, attempts: isPlain ? [] : attempts },
  })
}
