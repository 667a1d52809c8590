import type { Bench } from './harness/bench.ts'
import { all, type ContenderName, judged } from './harness/contenders.ts'
import { bestPeers } from './harness/verdict.ts'
import { wireColumns, wirePart } from './harness/wire-part.ts'

const connections = 50

/** What does a small request on a connection that stays cost the forwarder? */
export async function requests(
  bench: Bench,
  names: readonly ContenderName[] = bench.everyone ? all : judged,
  baseline: ContenderName = 'nginx',
): Promise<void> {
  await wirePart(bench, {
    part: 'requests',
    title: `requests: ${connections} connections that stay, 64 bytes there and 160 back`,
    names,
    baseline,
    question: { mode: 'keep-alive', seconds: bench.sliceSeconds, connections },
    columns: wireColumns('request'),
    measures: [
      {
        id: 'requests-cpu',
        title: 'CPU per small request',
        unit: 'µs',
        key: 'cpuUs',
        better: 'less',
        target: 1,
        ours: 'spliceway',
        peers: bestPeers,
      },
    ],
  })
}
