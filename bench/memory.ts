import { setTimeout as sleep } from 'node:timers/promises'
import type { Bench } from './harness/bench.ts'
import type { Child } from './harness/children.ts'
import type { Target } from './harness/contenders.ts'
import { startLoad } from './harness/http-load.ts'
import { forgetPeak, residentBytes } from './harness/process-cost.ts'
import { inRounds, type Sample } from './harness/rounds.ts'
import { startSpliceway } from './harness/spliceway.ts'

/** Fresh processes each time, and ten seconds of them: fewer rounds than elsewhere. */
const mostRounds = 3
/** A second of silence: collectors have run, probes have answered. */
const settleMs = 1_000
const idle = 5_000
/** Opened and closed before: pools and heaps have grown to what they need for work, and what is left is the connections. */
const rehearsal = 1_000
const slowBytes = 1024 ** 3
/** After each MiB. */
const slowRestMs = 2
const MiB = 2 ** 20

interface Subject {
  readonly name: string
  readonly start: (backend: Target) => Promise<{ readonly child: Child; readonly port: number }>
}

/** How much memory idle, with 5,000 idle connections, and with a reader that is slower than its writer? */
export async function memory(bench: Bench): Promise<void> {
  const { children, pins } = bench
  const { ready } = await children.script(new URL('./load/tcp-server.ts', import.meta.url), [], {
    core: pins.load,
  })
  const backend = { host: '127.0.0.1', port: Number(ready.port) }
  const holder = await startLoad(bench, 'idle-client.ts')
  const reader = await startLoad(bench, 'bulk-client.ts')
  const spliceway = (access: 'all' | 'none') => (to: Target) =>
    startSpliceway(bench, { backend: to, workers: 2, access, core: pins.forwarder })
  const subjects: readonly Subject[] = [
    {
      name: 'pipe, no workers',
      async start({ host, port }) {
        const url = new URL('./pipe-proxy.ts', import.meta.url)
        const { child, ready } = await children.script(url, [host, String(port)], { core: pins.forwarder })
        return { child, port: Number(ready.port) }
      },
    },
    { name: 'spliceway, 2 workers, log off', start: spliceway('none') },
    { name: 'spliceway, 2 workers, log on', start: spliceway('all') },
  ]
  const measure = async ({ start }: Subject): Promise<Sample> => {
    const { child, port } = await start(backend)
    const sample = await measured(child.pid, { host: '127.0.0.1', port }, holder, reader)
    await child.end()
    return sample
  }
  const rounds = bench.quick ? 1 : Math.min(mostRounds, bench.rounds)
  bench.report.table({
    part: 'memory',
    title: `memory: ${idle} idle connections; 1 GiB to a reader that rests ${slowRestMs} ms after each MiB`,
    baseline: null,
    columns: [
      { key: 'idleMiB', title: 'idle MiB', digits: 1 },
      { key: 'perConnection', title: 'kB/idle connection', digits: 2, main: true },
      { key: 'slowMiB', title: 'slow reader: peak MiB', digits: 1 },
      { key: 'slowGrowthMiB', title: 'growth MiB', digits: 1 },
    ],
    samples: await inRounds(subjects, rounds, async () => {}, measure),
  })
  await children.end()
}

async function measured(pid: number, target: Target, holder: Child, reader: Child): Promise<Sample> {
  await sleep(settleMs)
  const idleMiB = residentBytes(pid).now / MiB
  await holder.ask({ open: rehearsal, ...target })
  await holder.ask({ open: 0 })
  await sleep(settleMs)
  const before = residentBytes(pid).now
  await holder.ask({ open: idle, ...target })
  await sleep(settleMs)
  const perConnection = (residentBytes(pid).now - before) / idle / 1000
  await holder.ask({ open: 0 })
  await sleep(settleMs)
  forgetPeak(pid)
  const rested = residentBytes(pid).now
  await reader.ask({ wish: 'down', bytes: slowBytes, connections: 1, restMs: slowRestMs, ...target })
  const { peak } = residentBytes(pid)
  return { idleMiB, perConnection, slowMiB: peak / MiB, slowGrowthMiB: (peak - rested) / MiB }
}
