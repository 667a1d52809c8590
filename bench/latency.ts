import type { Bench } from './harness/bench.ts'
import { all, judged } from './harness/contenders.ts'
import { bestPeers } from './harness/verdict.ts'
import { wirePart } from './harness/wire-part.ts'

const connections = 50
/** Half of what the slowest forwarder here can do on a core. */
const rate = 5_000

/** How long does a small request take when nobody is busy? */
export async function latency(bench: Bench): Promise<void> {
  await wirePart(bench, {
    part: 'latency',
    title: `latency: ${rate} requests a second over ${connections} connections, from when each was due`,
    names: bench.everyone ? all : judged,
    baseline: 'nginx',
    question: { mode: 'paced', seconds: bench.sliceSeconds, connections, rate },
    columns: [
      { key: 'p50', title: 'p50 ms', digits: 3 },
      { key: 'p99', title: 'p99 ms', digits: 3, main: true },
      { key: 'p999', title: 'p99.9 ms', digits: 3 },
      { key: 'cpuUs', title: 'CPU µs/request', digits: 2 },
      { key: 'busy', title: 'core %', digits: 0 },
    ],
    measures: [
      {
        id: 'latency-p99',
        title: `p99 at ${rate} requests/s`,
        unit: 'ms',
        key: 'p99',
        better: 'less',
        target: 1.05,
        ours: 'spliceway',
        peers: bestPeers,
      },
    ],
  })
}
