import { startHttpBackend } from './harness/backend.ts'
import type { Bench } from './harness/bench.ts'
import { type ContenderName, startContenders } from './harness/contenders.ts'
import { slice, startLoad } from './harness/http-load.ts'
import { inRounds } from './harness/rounds.ts'
import { wireColumns } from './harness/wire-part.ts'

const names: readonly ContenderName[] = ['direct', 'pipe', 'pipe (A/A)', 'spliceway', 'HAProxy', 'nginx']
/** autocannon's own tables come from one longer run with its own defaults. */
const tableSeconds = 3

/** The same in HTTP, by a tool that everyone has: autocannon is busier than any forwarder here, so look at CPU only. */
export async function autocannonPart(bench: Bench): Promise<void> {
  const { report, rounds, sliceSeconds: seconds, quick } = bench
  const backend = await startHttpBackend(bench)
  const load = await startLoad(bench, 'http-client.ts')
  const contenders = await startContenders(bench, names, (index) => backend.at(index))
  for (const { mode, connections, unit } of [
    { mode: 'keep-alive', connections: 50, unit: 'request' },
    { mode: 'reconnect', connections: 32, unit: 'connection' },
  ]) {
    const question = { mode, seconds, connections, sampleMs: 250 }
    const measure = (contender: (typeof contenders)[number]) => slice(load, contender, question)
    const samples = await inRounds(bench.progress, contenders, rounds, measure, measure)
    if (!quick && mode === 'keep-alive') {
      for (const { name, target } of contenders) {
        const answer = await load.ask({ ...question, seconds: tableSeconds, sampleMs: 1000, ...target })
        report.say(`\nautocannon, ${connections} connections, ${name}\n${answer.table}`)
      }
    }
    report.table({
      part: `autocannon-${mode}`,
      title: `autocannon, ${mode}: ${connections} connections, backend ${backend.name}`,
      baseline: 'pipe',
      columns: wireColumns(unit),
      samples,
    })
  }
  await bench.children.end()
}
