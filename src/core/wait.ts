import type { Phase } from './outcome.ts'
import type { TcpPair, TcpView } from './tcp-view.ts'
import { roughly } from './wording.ts'

/** For whom a connection waits now, and what that is concluded from. */
export interface Wait {
  readonly for: 'client' | 'network' | 'gateway' | 'room' | 'unknown'
  /** A sentence. */
  readonly why: string
}

export interface WaitFacts {
  readonly state: Phase
  readonly pool: string | null
  readonly ageMs: number
  readonly idleMs: number
  readonly heldUp: number
  readonly heldDown: number
  readonly tcp: TcpPair
}

/**
 * Who waits for whom. A side that does not take what is there for it comes before one that has nothing to
 * say; of two that have nothing to say, the one that did not speak last has to.
 */
export function waitOf(facts: WaitFacts): Wait {
  const { state, pool, ageMs, idleMs, heldUp, heldDown, tcp } = facts
  const since = roughly(ageMs)
  if (state === 'preface')
    return { for: 'client', why: `the client has yet to say where it wants to (${since})` }
  if (state === 'queue')
    return { for: 'room', why: `every endpoint of pool ${pool} is at its maxConnections (${since})` }
  if (state === 'connect')
    return { for: 'gateway', why: `no endpoint of pool ${pool} is connected yet (${since})` }
  return (
    unread('client', heldDown, tcp.client) ??
    unread('gateway', heldUp, tcp.endpoint) ??
    speaker(tcp) ?? { for: 'unknown', why: `no byte for ${roughly(idleMs)}, and the kernel cannot be asked` }
  )
}

/** What is on its way to a side, and why it does not get there; null: nothing is. */
function unread(side: 'client' | 'gateway', heldBytes: number, tcp: TcpView | null): Wait | null {
  const waiting = heldBytes + (tcp?.unacknowledgedBytes ?? 0)
  if (waiting === 0) return null
  const what = `${waiting} bytes are on their way to the ${side}`
  if (tcp === null) return { for: side, why: `${heldBytes} bytes are held for the ${side}` }
  if (tcp.unanswered > 0 && heldBytes === 0)
    return { for: 'network', why: `${what}; sent again ${tcp.unanswered} times without an answer` }
  const share = tcp.busyMs === 0 ? 0 : tcp.peerWindowMs / tcp.busyMs
  if (share > 0.5 || heldBytes > 0)
    return {
      for: share < 0.5 && tcp.retransmits > 0 ? 'network' : side,
      why: `${what}; its window was closed for ${roughly(tcp.peerWindowMs)} of ${roughly(tcp.busyMs)}`,
    }
  return { for: 'network', why: `${what}; the round trip takes ${tcp.rttMs} ms` }
}

/** Nothing is under way: it is the turn of whoever did not speak last. */
function speaker({ client, endpoint }: TcpPair): Wait | null {
  if (client === null || endpoint === null) return null
  if (client.heardMs === null && endpoint.heardMs === null)
    return { for: 'client', why: 'neither side has said anything yet' }
  if (endpoint.heardMs === null || (client.heardMs !== null && client.heardMs < endpoint.heardMs))
    return {
      for: 'gateway',
      why: `the client spoke last, ${roughly(client.heardMs ?? 0)} ago, and has no answer`,
    }
  return { for: 'client', why: `the gateway spoke last, ${roughly(endpoint.heardMs)} ago` }
}
