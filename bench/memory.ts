import { setTimeout as sleep } from 'node:timers/promises'
import type { Bench } from './harness/bench.ts'
import type { Child } from './harness/children.ts'
import { type ContenderName, startContenders, type Target } from './harness/contenders.ts'
import { startLoad } from './harness/http-load.ts'
import { loopback } from './harness/place.ts'
import { forgetPeak, residentBytes, socketBytes } from './harness/process-cost.ts'
import { inRounds, type Sample } from './harness/rounds.ts'
import { startSpliceway } from './harness/spliceway.ts'
import { bestPeers } from './harness/verdict.ts'

/** Fresh processes each time, and fifteen seconds of them: fewer rounds than elsewhere. */
const mostRounds = 5
/** Collectors have run in every thread, probes have answered. */
const settleMs = 2_500
/** The slope is taken between these, so that what a program has in any case is not in it. */
const few = 1_000
const many = 9_000
const slowBytes = 1024 ** 3
/** After each MiB. */
const slowRestMs = 2
/** Clients that read nothing of what they are sent. */
const unread = 60
const MiB = 2 ** 20
const collect = new URL('./load/collect.ts', import.meta.url).pathname
const peers: readonly ContenderName[] = ['HAProxy', 'nginx', 'nginx (A/A)']

interface Subject {
  readonly name: string
  readonly start: (backend: Target) => Promise<{ readonly child: Child; readonly port: number } | null>
}

/** How much memory is an idle connection, and what does a reader cost that is slower than its writer? */
export async function memory(bench: Bench): Promise<void> {
  const { children, pins } = bench
  const { ready } = await children.script(new URL('./load/tcp-server.ts', import.meta.url), [], {
    core: pins.load,
  })
  const backend = { host: '127.0.0.1', port: Number(ready.port) }
  const holder = await startLoad(bench, 'idle-client.ts')
  const reader = await startLoad(bench, 'bulk-client.ts')
  const measure = async ({ start }: Subject): Promise<Sample> => {
    const started = await start(backend)
    if (started === null) return {}
    const target = { host: '127.0.0.1', port: started.port }
    const sample = await measured(started.child.pid, target, holder, reader)
    await started.child.end()
    return sample
  }
  const rounds = bench.quick ? 1 : Math.min(mostRounds, bench.rounds)
  bench.report.table({
    part: 'memory',
    title: `memory: slope from ${few} to ${many} idle connections; 1 GiB to a reader that rests ${slowRestMs} ms after each MiB; ${unread} clients that read nothing: what program and kernel hold for each`,
    baseline: null,
    columns: [
      { key: 'fewMiB', title: `MiB with ${few}`, digits: 1 },
      { key: 'perConnection', title: 'kB/idle connection', digits: 2, main: true },
      { key: 'slowGrowthMiB', title: 'slow reader: growth MiB', digits: 1 },
      { key: 'unreadOwnMiB', title: 'unread: own MiB', digits: 2 },
      { key: 'unreadKernelMiB', title: 'unread: kernel MiB', digits: 2 },
    ],
    samples: await inRounds(bench.progress, subjects(bench), rounds, async () => {}, measure),
    measures: [
      {
        id: 'memory-idle',
        title: 'memory of an idle connection (ours collected)',
        unit: 'kB',
        key: 'perConnection',
        better: 'less',
        target: 1,
        ours: 'spliceway, collected',
        peers: bestPeers,
        most: 1.5,
      },
      {
        id: 'memory-unread',
        title: 'kernel memory of a client that reads nothing',
        unit: 'MiB',
        key: 'unreadKernelMiB',
        better: 'less',
        target: 1,
        ours: 'spliceway, collected',
        peers: bestPeers,
        most: 1,
      },
    ],
  })
  await children.end()
}

function subjects(bench: Bench): readonly Subject[] {
  const place = loopback(bench)
  const ours = (plane: 'splice' | 'net', env: NodeJS.ProcessEnv) => (backend: Target) =>
    startSpliceway(bench, { backend, plane, access: 'none', env }, place)
  const contender = (name: ContenderName): Subject => ({
    name,
    async start(backend) {
      const [started] = await startContenders(bench, [name], () => backend, place)
      if (started === undefined || started.forwarder === null) return null
      return { child: started.forwarder, port: started.target.port }
    },
  })
  const collected = { NODE_OPTIONS: `--import=${collect}` }
  const judged = [{ name: 'spliceway, collected', start: ours('splice', collected) }, ...peers.map(contender)]
  if (!bench.everyone) return judged
  return [
    ...judged,
    { name: 'spliceway', start: ours('splice', {}) },
    { name: 'spliceway, net, collected', start: ours('net', collected) },
    contender('pipe'),
  ]
}

async function measured(pid: number, target: Target, holder: Child, reader: Child): Promise<Sample> {
  await holder.ask({ open: few, ...target })
  await sleep(settleMs)
  const before = residentBytes(pid).now
  await holder.ask({ open: many - few, ...target })
  await sleep(settleMs)
  const perConnection = (residentBytes(pid).now - before) / (many - few) / 1000
  await holder.ask({ open: 0 })
  await sleep(settleMs)
  forgetPeak(pid)
  const rested = residentBytes(pid).now
  await reader.ask({ wish: 'down', bytes: slowBytes, connections: 1, restMs: slowRestMs, ...target })
  const { peak } = residentBytes(pid)
  const resting = residentBytes(pid).now
  await holder.ask({ open: unread, unread: 1, ...target })
  await sleep(settleMs)
  const unreadKernelMiB = socketBytes(pid) / unread / MiB
  const unreadOwnMiB = (residentBytes(pid).now - resting) / unread / MiB
  await holder.ask({ open: 0 })
  return {
    fewMiB: before / MiB,
    perConnection,
    slowGrowthMiB: (peak - rested) / MiB,
    unreadOwnMiB,
    unreadKernelMiB,
  }
}
