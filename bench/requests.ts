import { startHttpBackend } from './harness/backend.ts'
import type { Bench } from './harness/bench.ts'
import { baseline, type ContenderName, standard, startContenders } from './harness/contenders.ts'
import { slice, startLoad } from './harness/http-load.ts'
import type { Column } from './harness/report.ts'
import { inRounds } from './harness/rounds.ts'

const connections = 50
/** autocannon's own tables come from one longer run with its own defaults. */
const tableSeconds = 3

export const httpColumns = (unit: string): readonly Column[] => [
  { key: 'cpuUs', title: `CPU µs/${unit}`, digits: 2, main: true },
  { key: 'busy', title: 'core %', digits: 0 },
  { key: 'perSecond', title: `${unit}s/s`, digits: 0 },
  { key: 'p50', title: 'p50 ms', digits: 2 },
  { key: 'p99', title: 'p99 ms', digits: 2 },
  { key: 'p999', title: 'p99.9 ms', digits: 2 },
]

/** What does a small request on a connection that stays cost the forwarder? */
export async function requests(bench: Bench, names: readonly ContenderName[] = standard): Promise<void> {
  const { report, rounds, sliceSeconds, quick } = bench
  const backend = await startHttpBackend(bench)
  const load = await startLoad(bench, 'http-client.ts')
  const contenders = await startContenders(bench, names, (index) => backend.at(index))
  const run = { seconds: sliceSeconds, connections }
  const measure = (contender: (typeof contenders)[number]) => slice(load, contender, run)
  const samples = await inRounds(contenders, rounds, measure, measure)
  if (!quick && names === standard) {
    for (const { name, target } of contenders) {
      const seconds = tableSeconds
      const answer = await load.ask({ mode: 'keep-alive', ...run, seconds, sampleMs: 1000, ...target })
      report.say(`\nautocannon, ${connections} connections, ${name}\n${answer.table}`)
    }
  }
  report.table({
    part: 'requests',
    title: `requests: ${connections} keep-alive connections by autocannon, backend ${backend.name}`,
    baseline,
    columns: httpColumns('request'),
    samples,
  })
  await bench.children.end()
}
