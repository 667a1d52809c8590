import { IPPROTO_TCP, SO_PROTOCOL, SOL_SOCKET } from './constants.ts'
import type { Fd } from './fd.ts'
import type { Libc } from './libc.ts'

/** Two sockets between which somebody relays, or did. */
export interface Pair {
  /** Accepted. */
  readonly downstream: Fd
  /** Dialed. */
  readonly upstream: Fd
  /**
   * SO_COOKIE of both as they were: a number of a descriptor is another socket's within milliseconds. null:
   * whoever asks has held the descriptors all the time.
   */
  readonly cookies: readonly [bigint, bigint] | null
  /** Bytes that were read downstream and sent to nobody: a PROXY header. */
  readonly prefaceBytes: number
  /** Bytes that were sent upstream and read from nobody, so far. */
  readonly headerBytes: number
}

export type Wholeness =
  /** What the relay had read and not written when it last did either; both 0: the pair is whole. */
  | {
      readonly kind: 'held'
      readonly up: number
      readonly down: number
      readonly client: Passed
      readonly endpoint: Passed
    }
  /** The kernel does not say it (`uncounted`), or not for sure. */
  | { readonly kind: 'unknown'; readonly uncounted: boolean; readonly why: string }

/** What one program has read from a socket, and written to it. */
export interface Passed {
  readonly read: number
  readonly written: number
  /** The program has sent FIN; the peer's has come. */
  readonly finSent: boolean
  readonly finArrived: boolean
}

/** Of sockets that are not plain TCP, UNIX and MPTCP, and of old kernels. */
const uncounted: ReadonlySet<string> = new Set(['not plain TCP', 'no counters'])

/** include/net/tcp_states.h */
const state = { finWait1: 4, finWait2: 5, close: 7, closeWait: 8, lastAck: 9, closing: 11 } as const
const sent: ReadonlySet<number> = new Set([state.finWait1, state.finWait2, state.lastAck, state.closing])
const arrived: ReadonlySet<number> = new Set([state.closeWait, state.lastAck, state.closing])
/** Beside a peer that sends, one look in 640 falls between two packets. */
const mostLooks = 5

/**
 * Whether bytes are lost when whoever relayed is gone: what it had read of each side and not written to the
 * other one, by the kernel's own counters. Exact for plain TCP, at rest or not; the cookies come first,
 * because two strangers look whole. What was read and dropped counts as held.
 */
export function whole(libc: Libc, pair: Pair): Wholeness {
  const { downstream, upstream, cookies, prefaceBytes, headerBytes } = pair
  if (cookies !== null) {
    const [down, up] = [libc.cookie(downstream), libc.cookie(upstream)]
    if (down !== cookies[0] || up !== cookies[1]) return unknown('a descriptor is another socket by now')
  }
  const client = passed(libc, downstream, false)
  if (typeof client === 'string') return unknown(`downstream: ${client}`, uncounted.has(client))
  const endpoint = passed(libc, upstream, true)
  if (typeof endpoint === 'string') return unknown(`upstream: ${endpoint}`, uncounted.has(endpoint))
  return {
    kind: 'held',
    up: client.read - prefaceBytes - (endpoint.written - headerBytes),
    down: endpoint.read - client.written,
    client,
    endpoint,
  }
}

/** Why not, if it is a text. `dialed`: its SYN counts as a byte that was acknowledged. */
function passed(libc: Libc, fd: Fd, dialed: boolean): Passed | string {
  const protocol = libc.getOption(fd, SOL_SOCKET, SO_PROTOCOL)
  if (protocol !== IPPROTO_TCP) return 'not plain TCP'
  for (let looks = 0; looks < mostLooks; looks++) {
    const before = libc.counters(fd)
    const unsent = libc.unacknowledged(fd.n)
    const unread = libc.unread(fd)
    const after = libc.counters(fd)
    if (before === null || after === null || unsent < 0 || unread < 0) return 'no counters'
    // Both are the same after a reset and after two FINs, and the counters are of no use then.
    if (after.state === state.close) return 'it is closed'
    if (before.acked !== after.acked || before.received !== after.received) continue
    if (before.state !== after.state) continue
    const finSent = sent.has(after.state)
    const finArrived = arrived.has(after.state)
    return {
      written: after.acked + unsent - (dialed ? 1 : 0) - (finSent ? 1 : 0),
      read: after.received - unread - (finArrived ? 1 : 0),
      finSent,
      finArrived,
    }
  }
  return 'it does not stand still'
}

function unknown(why: string, uncounted = false): Wholeness {
  return { kind: 'unknown', uncounted, why }
}
