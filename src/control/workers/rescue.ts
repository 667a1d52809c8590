import { formatIp } from '../../core/address.ts'
import type { DirectionFacts, MovedSession, RelayFacts, SessionFacts, WireFacts } from '../../core/moved.ts'
import type { Orphan, OrphanVerdict } from '../../core/orphan.ts'
import type { PairRow, PairRows } from '../../core/pair-rows.ts'

/**
 * Why a connection of a dead worker could not go on. `not-whole`: bytes were on their way through the
 * worker, or an end was. `no-counters`: the kernel does not count them (UNIX, MPTCP), or has counted wrongly
 * on this host. `poison`: the worker died of it, or may have. `young`: it was not written down, because it
 * dialed or had not lasted.
 */
export const lossReasons = ['not-whole', 'no-counters', 'poison', 'young'] as const
export type LossReason = (typeof lossReasons)[number]

export type Judge = (pair: Orphan) => OrphanVerdict

/** What is left of a dead worker. */
export interface Rescued {
  /** They belong to whoever has this. */
  readonly sessions: readonly MovedSession[]
  /** How many of `sessions` are in which listener's slot. */
  readonly byListener: ReadonlyMap<number, number>
  /** Of those that were written down; the others are `young`. */
  readonly lost: Readonly<Record<Exclude<LossReason, 'young'>, number>>
}

export const nobody: Rescued = {
  sessions: [],
  byListener: new Map(),
  lost: { 'not-whole': 0, 'no-counters': 0, poison: 0 },
}

/**
 * Who kills its worker without being looked at when it dies is found by this: after so many deaths around it
 * of which nobody knows the reason a connection is not given to another worker.
 */
const mostCrashes = 2
/** After so many deaths within this time nobody is: whatever it is, it must not take all workers with it. */
const mostDeaths = 3
const deathsWithinMs = 60_000

export interface RescueOptions {
  readonly pairs: PairRows
  /** null: nobody can look at sockets here, and none are saved. */
  readonly judge: Judge | null
  /** What ids of this process begin with. */
  readonly idPrefix: string
  /** Milliseconds of the clock that threads share. */
  readonly nowMs: () => number
  /** By slot. */
  readonly listeners: () => ReadonlyMap<number, string>
  readonly endpoints: () => ReadonlyMap<number, { readonly pool: string; readonly endpoint: string }>
}

/** Finds the connections of a dead worker that others can go on with. */
export class Rescue {
  readonly #options: RescueOptions
  #deaths: readonly number[] = []
  #trusts = true

  constructor(options: RescueOptions) {
    this.#options = options
  }

  /** The kernel's counters were seen to be wrong on this host: nobody is saved by them any more. */
  distrust(): void {
    this.#trusts = false
  }

  /**
   * `open`: the descriptors that the worker had. Those of the connections that are saved are not marked there
   * any more; whatever still is has to be reset.
   */
  collect(index: number, open: Uint8Array): Rescued {
    const { pairs, judge, listeners, endpoints, nowMs } = this.#options
    if (judge === null) return nobody
    const now = nowMs()
    const deaths = this.#deaths.filter((atMs) => now - atMs < deathsWithinMs)
    this.#deaths = [...deaths, now]
    const isPlague = deaths.length >= mostDeaths
    const place = pairs.handling(index)[0] ?? 0
    const names = { listeners: listeners(), endpoints: endpoints() }
    const sessions: MovedSession[] = []
    const byListener = new Map<number, number>()
    const lost = { ...nobody.lost }
    for (let n = open.indexOf(1); n !== -1; n = open.indexOf(1, n + 1)) {
      const row = pairs.read(n, index)
      if (row === null) continue
      pairs.clear(n)
      if (isPlague || row.crashes >= mostCrashes || isAbout(row, place)) {
        lost.poison++
        continue
      }
      const judgement: OrphanVerdict = this.#trusts
        ? judge({ ...row, downstream: n })
        : { kind: 'no-counters' }
      if (judgement.kind !== 'whole') {
        lost[judgement.kind]++
        continue
      }
      open[n] = 0
      open[row.upstream] = 0
      byListener.set(row.listener, (byListener.get(row.listener) ?? 0) + 1)
      const crashes = row.crashes + Number(place <= 0)
      const facts = { ...this.#factsOf(row, judgement, names, now), crashes }
      const relay = relayOf(row, judgement, facts.relayedMs)
      const nothing = new Uint8Array(0)
      sessions.push({ facts, relay, descriptors: [n, row.upstream], heldUp: nothing, heldDown: nothing })
    }
    pairs.handling(index)[0] = 0
    return { sessions, byListener, lost }
  }

  #factsOf(
    row: PairRow,
    { bytesUp, bytesDown, downEnded, idleMs }: OrphanVerdict & { readonly kind: 'whole' },
    { listeners, endpoints }: Names,
    now: number,
  ): Omit<SessionFacts, 'crashes'> {
    const { id, words, client } = row
    const heard = bytesDown > 0
    const asked = bytesUp > 0 && !heard
    const { pool, endpoint } = endpoints.get(row.endpoint) ?? { pool: '', endpoint: '' }
    const relayedMs = now - row.relayedMs
    // Where a worker has kept a number, it was the one dial.
    const plain = words.attempts.length === 0 && row.dialMs >= 0
    return {
      id: words.id ?? `${this.#options.idPrefix}${id.worker}-${id.number.toString(36)}`,
      moves: row.moves,
      listener: listeners.get(row.listener) ?? '',
      pool,
      endpoint,
      client: { ip: formatIp(client), port: client.port },
      nobody: row.nobody,
      serverName: words.serverName,
      attempts: plain ? [{ endpoint, ms: row.dialMs, error: null }] : words.attempts,
      dialMs: plain ? -1 : row.dialMs,
      ageMs: now - row.startMs,
      timeouts: row.timeouts,
      onRemoval: row.closeOnRemoval ? 'close' : 'keep',
      relayedMs,
      lifeLeftMs: row.endsMs === Number.POSITIVE_INFINITY ? null : Math.max(0, row.endsMs - now),
      counted: row.counted,
      warm: row.warm,
      endedBy: 'admin',
      outlived: false,
      askedMs: asked ? (idleMs ?? relayedMs) : null,
      heard,
      spent: downEnded,
      firstByteMs: row.firstByteMs,
      movedMs: idleMs ?? relayedMs,
      asked,
      // Whose turn it was, and how long, the worker has taken with it.
      gatewayMs: 0,
      turns: 0,
    }
  }
}

interface Names {
  readonly listeners: ReadonlyMap<number, string>
  readonly endpoints: ReadonlyMap<number, { readonly pool: string; readonly endpoint: string }>
}

/** The worker was looking at one of its sockets. Place 0 is nobody's. */
function isAbout({ places }: PairRow, place: number): boolean {
  return place > 0 && (places.downstream === place || places.upstream === place)
}

function relayOf(
  { headerBytes, prefaceBytes }: PairRow,
  { bytesUp, bytesDown, upEnded, downEnded, idleMs }: OrphanVerdict & { readonly kind: 'whole' },
  relayedMs: number,
): RelayFacts {
  return {
    up: directionOf(upEnded),
    down: directionOf(downEnded),
    downstream: wireOf(bytesDown, upEnded, true),
    upstream: wireOf(bytesUp + headerBytes, downEnded, false),
    bytesUp,
    bytesDown,
    headerBytes,
    prefaceBytes,
    countersAgree: null,
    finishing: false,
    first: upEnded || downEnded ? { first: upEnded ? 'client' : 'server', how: 'fin' } : null,
    idleMs: Math.min(idleMs ?? relayedMs, relayedMs),
    stuckUpMs: -1,
    stuckDownMs: -1,
    keepalive: false,
  }
}

/** Nothing is held of it; its end, if it came, was passed on. */
function directionOf(ended: boolean): DirectionFacts {
  return { pipeBytes: 0, ours: 0, ended, over: ended, discard: false, finWanted: ended, finSent: ended }
}

/** `inherited`: it has the options of its listener; the others are set once more, which changes nothing. */
function wireOf(writtenBytes: number, finSeen: boolean, inherited: boolean): WireFacts {
  return {
    unix: false,
    sent: writtenBytes > 0,
    noDelay: inherited,
    untilBound: inherited ? -1 : 0,
    finSeen,
    urgent: false,
  }
}
