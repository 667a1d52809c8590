import type { TcpPair, TcpView } from './tcp-view.ts'

export type Slow = 'client' | 'network' | 'gateway'

/** A short connection that moved little and ended well is not looked at. */
const longMs = 1_000
const muchBytes = 64 * 1024
/** Less than this is nothing that anybody waits for. */
const leastMs = 250
/** What a gateway may take for each answer, on the average, before it counts as slow. */
const answerMs = 100
/** Of all the time in which something was under way. */
const leastShare = 0.5

/** Whether an end is worth the system calls of a look. */
export function isWorthALook(lastedMs: number, bytes: number, clean: boolean): boolean {
  return !clean || lastedMs > longMs || bytes > muchBytes
}

export interface SlownessFacts {
  /** Time in which it was the gateway's turn to send, and nothing came. */
  readonly gatewayMs: number
  /** How often it was. */
  readonly turns: number
  readonly tcp: TcpPair
}

/**
 * Who took most of the time, if anybody took long: the kernel knows for how long a peer's window was closed,
 * because its program did not read, and for how long bytes were out that had to be sent again. While they
 * were under way, nobody waited for the gateway. null: nobody was slow, or the kernel cannot be asked.
 */
export function slowOf({ gatewayMs, turns, tcp: { client, endpoint } }: SlownessFacts): Slow | null {
  if (client === null || endpoint === null) return null
  const busyMs = client.busyMs + endpoint.busyMs
  const silentMs = Math.max(0, gatewayMs - busyMs)
  const spoke = silentMs >= answerMs * Math.max(1, turns) ? silentMs : 0
  const parts = [
    ['client', client.peerWindowMs],
    ['network', lossMs(client) + lossMs(endpoint)],
    ['gateway', spoke + endpoint.peerWindowMs],
  ] as const
  const [who, ms] = parts.reduce((most, part) => (part[1] > most[1] ? part : most))
  return ms >= leastMs && ms >= leastShare * (silentMs + busyMs) ? who : null
}

/** Time in which bytes were under way that the peer had room for, on a path that lost some. */
function lossMs({ busyMs, peerWindowMs, sendBufferMs, retransmits }: TcpView): number {
  return retransmits === 0 ? 0 : Math.max(0, busyMs - peerWindowMs - sendBufferMs)
}

/** What the access log says of an end that was looked at. null: the kernel cannot be asked. */
export interface Look {
  readonly slow: Slow | null
  readonly rttMs: OfBoth
  /** Segments that had to be sent again. */
  readonly retransmits: OfBoth
  /** Time in which the side's window was closed: its program did not read. */
  readonly peerWindowMs: OfBoth
  /** Time in which it was the gateway's turn to send, and nothing came. */
  readonly gatewayMs: number
}

export interface OfBoth {
  readonly client: number | null
  readonly endpoint: number | null
}

export function lookOf(facts: SlownessFacts): Look {
  const { client, endpoint } = facts.tcp
  const both = (figure: 'rttMs' | 'retransmits' | 'peerWindowMs'): OfBoth => ({
    client: client?.[figure] ?? null,
    endpoint: endpoint?.[figure] ?? null,
  })
  return {
    slow: slowOf(facts),
    rttMs: both('rttMs'),
    retransmits: both('retransmits'),
    peerWindowMs: both('peerWindowMs'),
    gatewayMs: facts.gatewayMs,
  }
}
