import type { Bench } from './harness/bench.ts'
import { all, judged } from './harness/contenders.ts'
import { bestPeers } from './harness/verdict.ts'
import { wirePart } from './harness/wire-part.ts'

/** Connections a round, one after the other. */
const times = 300

/** How long until the words of a server that speaks first arrive? */
export async function banner(bench: Bench): Promise<void> {
  await wirePart(bench, {
    part: 'banner',
    title: `banner: ${times} connections in turn, from connect() to the server's first bytes`,
    names: bench.everyone ? all : judged,
    baseline: 'nginx',
    question: { mode: 'banner', times },
    columns: [
      { key: 'p50', title: 'p50 ms', digits: 3, main: true },
      { key: 'p99', title: 'p99 ms', digits: 3 },
      { key: 'cpuUs', title: 'CPU µs/connection', digits: 1 },
    ],
    measures: [
      {
        id: 'banner-p50',
        title: 'server-first banner, p50',
        unit: 'ms',
        key: 'p50',
        better: 'less',
        target: 1.1,
        ours: 'spliceway',
        peers: bestPeers,
      },
    ],
  })
}
