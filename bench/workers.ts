import type { Bench } from './harness/bench.ts'
import { type Contender, type ContenderName, startContenders } from './harness/contenders.ts'
import { slice } from './harness/http-load.ts'
import { loopback } from './harness/place.ts'
import { inRounds } from './harness/rounds.ts'

const names: readonly ContenderName[] = ['spliceway', 'spliceway, net', 'HAProxy', 'nginx', 'nginx (A/A)']
const questions = [
  { mode: 'churn', unit: 'connection', connections: 64 },
  { mode: 'keep-alive', unit: 'request', connections: 64 },
] as const

/** What does a second worker bring, for connections and for requests? Nobody is pinned, and the load wants a core too. */
export async function workers(bench: Bench): Promise<void> {
  const url = new URL('./load/wire-load.ts', import.meta.url)
  const { child: backend, ready } = await bench.children.script(url, [], { core: null })
  const started: { readonly name: string; readonly contender: Contender }[] = []
  for (const count of [1, 2]) {
    const place = { ...loopback(bench), core: null, workers: count }
    const at = (index: number) => ({ host: `127.0.${count}.${index + 1}`, port: Number(ready.port) })
    const some = await startContenders(bench, names, at, place)
    started.push(...some.map((contender) => ({ name: `${contender.name}, ${count}`, contender })))
  }
  for (const { mode, unit, connections } of questions) {
    const question = { mode, seconds: bench.sliceSeconds, connections }
    const measure = ({ contender }: (typeof started)[number]) => slice(backend, contender, question)
    bench.report.table({
      part: `workers-${mode}`,
      title: `workers: ${unit}s, ${connections} at once, 1 and 2 workers, not pinned`,
      baseline: 'nginx, 1',
      columns: [
        { key: 'perSecond', title: `${unit}s/s`, digits: 0, main: true },
        { key: 'cpuUs', title: `CPU µs/${unit}`, digits: 2 },
        { key: 'busy', title: 'core %', digits: 0 },
        { key: 'p99', title: 'p99 ms', digits: 2 },
      ],
      samples: await inRounds(bench.progress, started, bench.rounds, measure, measure),
    })
  }
  await bench.children.end()
}
