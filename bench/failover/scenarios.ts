import {
  type Cluster,
  type ClusterNode,
  type Fault,
  flapping,
  type Mend,
  onAll,
} from '../../test/helpers/cluster.ts'
import { type ForwarderName, ports, type ScenarioName } from './names.ts'

/** A fault as the benchmark brings it about. */
export interface Scenario {
  readonly name: ScenarioName
  readonly title: string
  readonly port: number
  /** Indexes of the nodes. */
  readonly struck: readonly number[]
  /** null: as long as the window. */
  readonly lastsMs: number | null
  /** The node comes back every so often in between. */
  readonly flapMs: number | null
  readonly fault: Fault
  /** Who is measured beside `spliceway` and `HAProxy`: where it makes a difference. */
  readonly also: readonly ForwarderName[]
}

const one = { port: ports.web, struck: [1], lastsMs: null, flapMs: null } as const
const kill: Fault = (node) => node.kill()
/** Who says soonest to connections that stay that their node is gone. */
const staying = ['spliceway, onDown', 'HAProxy, shutdown-sessions'] as const

export const scenarios: readonly Scenario[] = [
  {
    ...one,
    name: 'killed',
    title: 'kill -9 of one node',
    fault: kill,
    also: ['HAProxy, redispatch last', ...staying],
  },
  {
    ...one,
    name: 'black-hole',
    title: 'one node drops every packet',
    fault: (node) => node.blackHole(),
    also: ['spliceway, p2c', 'HAProxy, redispatch last', ...staying],
  },
  {
    ...one,
    name: 'unplugged',
    title: "one node's link is down",
    fault: (node) => node.unplug(),
    also: ['HAProxy, redispatch last', ...staying],
  },
  {
    ...one,
    name: 'frozen',
    title: 'SIGSTOP to one node: it accepts and never speaks',
    fault: (node) => node.freeze(),
    also: ['spliceway, p2c', 'spliceway, defaults', 'HAProxy, fastinter', ...staying],
  },
  {
    ...one,
    name: 'flapping',
    title: 'one node is killed and started every 2 s',
    fault: kill,
    flapMs: 2_000,
    also: [],
  },
  {
    ...one,
    name: 'tier-gone',
    title: 'both nodes of tier 0 are killed, one of tier 1 is left',
    port: ports.tiered,
    struck: [0, 1],
    fault: kill,
    also: [],
  },
  {
    ...one,
    name: 'all-gone',
    title: 'all nodes are killed and start again after 3 s',
    struck: [0, 1, 2],
    lastsMs: 3_000,
    fault: kill,
    also: [],
  },
]

/** Brings the fault about on its nodes. `fault` may be the scenario's own in disguise. */
export async function strike({ nodes }: Cluster, { struck, flapMs }: Scenario, fault: Fault): Promise<Mend> {
  const concerned = struck.map((at) => nodes[at]).filter((node): node is ClusterNode => node !== undefined)
  const [first] = concerned
  if (flapMs !== null && first !== undefined) return flapping(first, fault, flapMs)
  return onAll(concerned, fault)
}
