import type { Facts } from '../facts.ts'
import { advice, type Finding } from '../finding.ts'

/** The CNI plugin that turns hostPort into rules. */
export function portmap({ cluster, subject }: Facts): readonly Finding[] {
  const [file] = cluster.portmap
  if (file === undefined || subject.listeners.length === 0) return []
  return [
    {
      code: 'portmap',
      severity: 'note',
      what: 'the CNI plugin portmap is configured: a Pod with hostPort takes the traffic of whoever listens on that port, without a word to anyone',
      proof: ['grep', '-n', 'portmap', ...cluster.portmap],
      remedy: advice(
        `keep hostPort ${[...new Set(subject.listeners.map(({ port }) => port))].join(' and ')} out of every Pod that may run here`,
      ),
    },
  ]
}
