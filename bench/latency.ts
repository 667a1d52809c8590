import type { Bench } from './harness/bench.ts'
import { all, judged } from './harness/contenders.ts'
import { bestPeers } from './harness/verdict.ts'
import { wirePart } from './harness/wire-part.ts'

const connections = 50
/** Half of what the slowest forwarder here can do on a core. */
const rate = 5_000

/** Connections a round, one after the other: with a delayed ACK in each they take four seconds. */
const times = 100

/** How long does a small request take when nobody is busy, and how long an answer that is written in two parts? */
export async function latency(bench: Bench): Promise<void> {
  await paced(bench)
  await twoWrites(bench)
}

async function twoWrites(bench: Bench): Promise<void> {
  await wirePart(bench, {
    part: 'latency',
    title: `two writes: ${times} connections in turn, from a request to the end of its answer: 120 bytes, then 300, Nagle on`,
    names: bench.everyone ? all : ['direct', ...judged],
    baseline: 'direct',
    question: { mode: 'two-writes', times },
    columns: [
      { key: 'p50', title: 'p50 ms', digits: 3, main: true },
      { key: 'p99', title: 'p99 ms', digits: 3 },
      { key: 'cpuUs', title: 'CPU µs/connection', digits: 1 },
    ],
    measures: [],
  })
}

async function paced(bench: Bench): Promise<void> {
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
