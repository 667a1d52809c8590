import { Fd } from './fd.ts'
import type { Libc } from './libc.ts'
import { whole } from './whole.ts'

/** Two sockets whose worker is dead, as it wrote them down. */
export interface Orphan {
  /** Descriptors. */
  readonly downstream: number
  readonly upstream: number
  readonly cookies: { readonly downstream: bigint; readonly upstream: bigint }
  readonly prefaceBytes: number
  readonly headerBytes: number
}

export type OrphanVerdict =
  /** All that was read of one side was written to the other. */
  | {
      readonly kind: 'whole'
      readonly bytesUp: number
      readonly bytesDown: number
      /** The source has ended, and its FIN was passed on. */
      readonly upEnded: boolean
      readonly downEnded: boolean
      /** Since bytes last came or went; null: none has. */
      readonly idleMs: number | null
    }
  /** Bytes are missing, an end was on its way, nobody can tell, or these are other sockets. */
  | { readonly kind: 'not-whole' }
  /** The kernel counts nothing: UNIX, MPTCP. */
  | { readonly kind: 'no-counters' }

const notWhole = { kind: 'not-whole' } as const
const noCounters = { kind: 'no-counters' } as const

/** Whether another worker can go on with the two sockets, and from where. */
export function judgeOrphan(
  libc: Libc,
  { downstream, upstream, cookies, prefaceBytes, headerBytes }: Orphan,
): OrphanVerdict {
  const told = whole(libc, {
    downstream: new Fd(downstream),
    upstream: new Fd(upstream),
    cookies: [cookies.downstream, cookies.upstream],
    prefaceBytes,
    headerBytes,
  })
  if (told.kind === 'unknown') return told.uncounted ? noCounters : notWhole
  const { client, endpoint } = told
  if (told.up !== 0 || told.down !== 0) return notWhole
  // A FIN that no end of the other side explains is our own: the connection was about to be over.
  if (endpoint.finSent && (!client.finArrived || client.finSent)) return notWhole
  if (client.finSent && !endpoint.finArrived) return notWhole
  const ages = [libc.view(downstream), libc.view(upstream)].flatMap((view) => [view?.heardMs, view?.toldMs])
  const known = ages.filter((age) => typeof age === 'number')
  return {
    kind: 'whole',
    bytesUp: endpoint.written - headerBytes,
    bytesDown: client.written,
    upEnded: endpoint.finSent,
    downEnded: client.finSent,
    idleMs: known.length === 0 ? null : Math.min(...known),
  }
}
