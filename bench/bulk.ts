import type { Bench } from './harness/bench.ts'
import {
  baseline,
  type Contender,
  type ContenderName,
  standard,
  startContenders,
} from './harness/contenders.ts'
import { startLoad } from './harness/http-load.ts'
import { cpuNs } from './harness/process-cost.ts'
import { inRounds, type Sample } from './harness/rounds.ts'

/** At the same time; each moves a quarter. */
const connections = 4
/** About half a second at 8 Gbit/s. */
const sliceBytes = 512 * 1024 * 1024
const quickBytes = sliceBytes / 4

/** What does a gigabyte cost, to the endpoint and from it? Sink and source are processes of our own. */
export async function bulk(bench: Bench, names: readonly ContenderName[] = standard): Promise<void> {
  const url = new URL('./load/tcp-server.ts', import.meta.url)
  const { ready } = await bench.children.script(url, [], { core: bench.pins.load })
  const backend = { host: '127.0.0.1', port: Number(ready.port) }
  const load = await startLoad(bench, 'bulk-client.ts')
  const contenders = await startContenders(bench, names, () => backend)
  const bytes = (bench.quick ? quickBytes : sliceBytes) / connections
  for (const wish of ['up', 'down']) {
    const measure = async ({ forwarder, target }: Contender): Promise<Sample> => {
      const beforeNs = forwarder === null ? 0 : cpuNs(forwarder.pid)
      const answer = await load.ask({ wish, bytes, connections, ...target })
      const seconds = Number(answer.seconds)
      const gbitPerSecond = (Number(answer.bytes) * 8) / 1e9 / seconds
      if (forwarder === null) return { gbitPerSecond }
      const used = (cpuNs(forwarder.pid) - beforeNs) / 1e9
      return { cpuPerGb: used / (Number(answer.bytes) / 1e9), busy: (used / seconds) * 100, gbitPerSecond }
    }
    bench.report.table({
      part: `bulk-${wish}`,
      title: `bulk ${wish}: ${connections} connections at once, ${(bytes * connections) / 2 ** 20} MiB a round, raw TCP`,
      baseline,
      columns: [
        { key: 'cpuPerGb', title: 'CPU s/GB', digits: 3, main: true },
        { key: 'busy', title: 'core %', digits: 0 },
        { key: 'gbitPerSecond', title: 'Gbit/s', digits: 2 },
      ],
      samples: await inRounds(contenders, bench.rounds, measure, measure),
    })
  }
  await bench.children.end()
}
