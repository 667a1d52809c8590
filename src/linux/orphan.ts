import type { Orphan, OrphanVerdict } from '../core/orphan.ts'
import { Fd } from './fd.ts'
import type { Libc } from './libc.ts'
import { whole } from './whole.ts'

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
