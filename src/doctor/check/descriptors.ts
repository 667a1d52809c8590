import { capacityWarning, connectionLimit } from '../../control/capacity.ts'
import type { Facts } from '../facts.ts'
import type { Finding } from '../finding.ts'

/** A limit that leaves less than this serves nobody. */
const fewest = 16

/** Whether a process may open as many files as its connections need, two each. */
export function descriptors({ openFiles: { limit, pid }, subject }: Facts): readonly Finding[] {
  // Memory is the running process's own matter: `spliceway status` says which limit it is.
  const machine = { openFiles: limit, memoryBytes: Infinity }
  const connections = subject.connections ?? 'auto'
  const warning = capacityWarning(connections, machine)
  if (warning === null) return []
  const most = connectionLimit(connections, machine)
  const whose = pid === null ? 'a process that is started from here' : `the running process (pid ${pid})`
  return [
    {
      code: 'descriptors-few',
      severity: most < fewest ? 'blocks' : 'hurts',
      what: `${whose} may open ${limit} files, which is enough for ${most} connections${connections === 'auto' ? '' : ` of the ${connections} that are configured`}`,
      proof: ['cat', `/proc/${pid ?? 'self'}/limits`],
      remedy: {
        advice: `LimitNOFILE=${needed(connections)} in its unit, or \`ulimit -n ${needed(connections)}\` where it is started, and start it again`,
        commands: [],
        settings: [],
      },
    },
  ]
}

function needed(connections: number | 'auto'): number {
  return connections === 'auto' ? 65_536 : connections * 2 + 256
}
