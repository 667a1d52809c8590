import { ask } from '../src/command/client.ts'
import type { Bench } from './harness/bench.ts'
import { startLoad } from './harness/http-load.ts'
import { loopback } from './harness/place.ts'
import type { Sample } from './harness/rounds.ts'
import { startSpliceway } from './harness/spliceway.ts'

const connections = 2_000

/** How evenly does the kernel spread connections over the workers' sockets (SO_REUSEPORT)? */
export async function spread(bench: Bench): Promise<void> {
  const url = new URL('./load/tcp-server.ts', import.meta.url)
  const { ready } = await bench.children.script(url, [], { core: bench.pins.load })
  const backend = { host: '127.0.0.1', port: Number(ready.port) }
  const samples = new Map<string, Sample[]>()
  for (const workers of [2, 4]) {
    const own: Sample[] = []
    samples.set(`${workers} workers`, own)
    const place = { ...loopback(bench), workers, core: null }
    const { child, port, socket } = await startSpliceway(bench, { backend, access: 'none' }, place)
    const holder = await startLoad(bench, 'idle-client.ts')
    for (let round = 0; round < bench.rounds; round++) {
      await holder.ask({ open: connections, host: '127.0.0.1', port })
      own.push(sampleOf(await activeByWorker(socket)))
      await holder.ask({ open: 0 })
    }
    await holder.end()
    await child.end()
  }
  bench.report.table({
    part: 'spread',
    title: `spread: ${connections} connections; by chance alone a worker of 2 is off even by 2.2 %, of 4 by 3.9 % (1 σ)`,
    baseline: null,
    columns: [
      { key: 'most', title: 'most', digits: 0 },
      { key: 'least', title: 'least', digits: 0 },
      { key: 'offPercent', title: 'worst worker off even, %', digits: 1, main: true },
    ],
    samples,
  })
  await bench.children.end()
}

function sampleOf(active: readonly number[]): Sample {
  const even = active.reduce((sum, count) => sum + count, 0) / active.length
  const most = Math.max(...active)
  const least = Math.min(...active)
  return { most, least, offPercent: (Math.max(most - even, even - least) / even) * 100 }
}

/** From the admin socket: each worker's own count, which it writes before it dials. */
async function activeByWorker(socket: string): Promise<number[]> {
  const reply = await ask(socket, 'GET', '/status')
  if (reply.kind === 'unreachable') throw new Error(reply.message)
  const { workers }: { workers: { active: number }[] } = JSON.parse(reply.body)
  return workers.map(({ active }) => active)
}
