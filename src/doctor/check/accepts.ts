import type { Facts } from '../facts.ts'
import { advice, type Finding } from '../finding.ts'
import { isSpliceway, listenersAt, ownersOf, showPort } from '../holder.ts'
import { hostPort } from '../subject.ts'

/** A port that serves anybody is found by a scanner or a health check long before. */
const longMs = 10 * 60_000

/** Whether the listeners of the running process get what clients send them. */
export function accepts(facts: Facts): readonly Finding[] {
  const { running } = facts
  if (running.kind !== 'answers') return []
  const { listeners, state, uptimeMs } = running.status
  return listeners.flatMap((listener): Finding[] => {
    const at = hostPort(listener.address)
    if (at === null) return []
    const waiting = listenersAt(facts, at)
      .filter((socket) => ownersOf(facts, socket).some((owner) => isSpliceway(owner, facts)))
      .reduce((sum, socket) => sum + socket.waiting, 0)
    const limit = Number(facts.kernel.sysctls.get('net.core.somaxconn') ?? 4096)
    if (waiting > 0 && waiting >= limit) {
      return [
        {
          code: 'accept-queue-full',
          severity: 'blocks',
          what: `${waiting} connections wait to be accepted by listener ${listener.name}, and no more find room: the process is full or hangs`,
          proof: showPort(at.port),
          remedy: advice(
            '`spliceway status` says whether a limit is reached, and which; `spliceway live` whether a worker hangs',
          ),
        },
      ]
    }
    if (state !== 'serving' || uptimeMs < longMs || listener.accepted > 0) return []
    return [
      {
        code: 'accepts-nothing',
        severity: 'hurts',
        what: `listener ${listener.name} is ready for ${Math.floor(uptimeMs / 60_000)} minutes and has accepted nothing: either nobody knows it, or something takes its connections before it`,
        proof: ['spliceway', 'status'],
        remedy: advice(
          'look for a rule or a Service among the findings; on Cilium nodes `cilium-dbg service list` in its Pod; and in front of this host for whoever sends clients here',
        ),
      },
    ]
  })
}
