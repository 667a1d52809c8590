import type { Bench } from './harness/bench.ts'
import { all, type ContenderName, judged, logging } from './harness/contenders.ts'
import { bestPeers } from './harness/verdict.ts'
import { wireColumns, wirePart } from './harness/wire-part.ts'

/** At the same time. */
const connections = 32
/** A process a connection says nothing about a forwarder that lasts. */
const forks: ContenderName = 'socat'

/** What does a connection cost that carries one small exchange and is ended by the server? */
export async function connectionsPart(
  bench: Bench,
  names: readonly ContenderName[] = bench.everyone ? [...all, ...logging] : [...judged, 'spliceway, log on'],
  baseline: ContenderName = 'nginx',
): Promise<void> {
  const cost = { key: 'cpuUs', better: 'less' } as const
  await wirePart(bench, {
    part: 'connections',
    title: `connections: ${connections} at once, 64 bytes there and 160 back, the server ends first`,
    names: names.filter((name) => name !== forks),
    baseline,
    question: { mode: 'churn', seconds: bench.sliceSeconds, connections },
    columns: wireColumns('connection'),
    measures: [
      {
        id: 'connections-cpu',
        title: 'CPU per new connection',
        unit: 'µs',
        target: 0.93,
        ours: 'spliceway',
        peers: bestPeers,
        ...cost,
      },
      {
        id: 'connections-log',
        title: 'access log on / off, CPU per connection',
        unit: 'µs',
        target: 1.1,
        ours: 'spliceway, log on',
        peers: ['spliceway'],
        ...cost,
      },
    ],
  })
}
