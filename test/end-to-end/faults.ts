import type { ExecutionContext } from 'ava'
import { type Cluster, type ClusterNode, type Fault, forwarderHost } from '../helpers/cluster.ts'
import { nginxPorts } from '../helpers/nginx.ts'
import { splicewayOn } from './on-cluster.ts'
import { Traffic, type Visit } from './traffic.ts'

/** Of the forwarder. */
export const port = 80
/** New connections of traffic(). */
export const perSecond = 200
export const probeMs = 300
/** A status page, because a port that merely accepts says nothing about who is behind it. */
const probes = `{ http: { port: ${nginxPorts.status}, path: / }, interval: ${probeMs}ms, timeout: ${probeMs}ms, fall: 2, rise: 2 }`

/** What differs from a pool of equals with quick probes on the splice plane. */
export interface Wanted {
  readonly plane?: 'splice' | 'net'
  readonly health?: string
  /** More keys of the pool. */
  readonly pool?: readonly string[]
  /** Of each node. */
  readonly priorities?: readonly number[]
}

/** Two workers and one pool of all nodes. */
export function config({ nodes }: Cluster, wanted: Wanted = {}): string {
  const { plane = 'splice', health = probes, pool = [], priorities = [0, 0, 0] } = wanted
  const endpoints = nodes.map(({ endpoint }, at) => `{ address: "${endpoint}", priority: ${priorities[at]} }`)
  return `listeners: [{ name: http, listen: "${forwarderHost}:${port}", pool: web }]
pools:
  web:
    endpoints: [${endpoints.join(', ')}]
    health: ${health}
${pool.map((line) => `    ${line}\n`).join('')}
workers: 2
plane: ${plane}
`
}

/** New connections to the forwarder, ended with the test. */
export function traffic(t: ExecutionContext): Traffic {
  const load = new Traffic(perSecond, forwarderHost, port)
  t.teardown(() => load.stop())
  return load
}

/** The one that things befall. */
export function nodeB({ nodes }: Cluster): ClusterNode {
  const [, b] = nodes
  if (b === undefined) throw new Error('the cluster has three nodes')
  return b
}

export function openedIn(made: readonly Visit[], fromMs: number, toMs = Number.POSITIVE_INFINITY): Visit[] {
  return made.filter(({ openedMs }) => openedMs >= fromMs && openedMs < toMs)
}

export function longestMs(made: readonly Visit[]): number {
  return Math.max(...made.map(({ openedMs, endedMs }) => endedMs - openedMs))
}

/** `abc`: the nodes that answered. */
export function nodesOf(made: readonly Visit[]): string {
  return [...new Set(made.map(({ node }) => node))].sort().join('')
}

/** Visits by when they were opened: `before` a fault and over by then; `during` it, from its completion to its end at `mendMs`. */
export interface Struck {
  readonly before: Visit[]
  readonly during: Visit[]
  readonly after: Visit[]
  readonly mendMs: number
}

/** A fault on node b under load, until probes have found it, and its end, until b serves again. */
export async function strike(
  t: ExecutionContext,
  cluster: Cluster,
  fault: Fault,
  plane: 'splice' | 'net',
): Promise<Struck> {
  const spliceway = await splicewayOn(t, cluster, config(cluster, { plane }))
  const load = traffic(t)
  await load.more(100)
  const startMs = performance.now()
  const mend = await fault(nodeB(cluster))
  t.teardown(mend)
  const completeMs = performance.now()
  await spliceway.log(/10\.88\.0\.12:9080 is down/)
  await load.more(100)
  const mendMs = performance.now()
  const { mark } = spliceway
  await mend()
  await spliceway.log(/3 of 3 endpoints up/, mark)
  await load.servedBy('b')
  const made = await load.stop()
  // What was in flight in the node when it was struck is lost with it.
  const before = openedIn(made, 0, startMs).filter(({ endedMs }) => endedMs < startMs)
  return { before, during: openedIn(made, completeMs, mendMs), after: openedIn(made, mendMs), mendMs }
}
