import type { Bench } from './bench.ts'
import type { Question } from './children.ts'
import { type Contender, type ContenderName, startContenders, withGiven } from './contenders.ts'
import { slice } from './http-load.ts'
import type { Column } from './report.ts'
import { inRounds } from './rounds.ts'
import type { Measure } from './verdict.ts'

export const wireColumns = (unit: string): readonly Column[] => [
  { key: 'cpuUs', title: `CPU µs/${unit}`, digits: 2, main: true },
  { key: 'busy', title: 'core %', digits: 0 },
  { key: 'loadUs', title: `load µs/${unit}`, digits: 2 },
  { key: 'perSecond', title: `${unit}s/s`, digits: 0 },
  { key: 'p50', title: 'p50 ms', digits: 2 },
  { key: 'p99', title: 'p99 ms', digits: 2 },
  { key: 'p999', title: 'p99.9 ms', digits: 2 },
]

export interface WirePart {
  readonly part: string
  readonly title: string
  readonly names: readonly ContenderName[]
  readonly baseline: ContenderName
  /** For load/wire-load.ts. */
  readonly question: Question
  readonly columns: readonly Column[]
  readonly measures: readonly Measure[]
}

/** A just-in-time compiler wants more than a second of a part that is mostly silence. */
const flood = { seconds: 1, connections: 32 }

/** A part whose load and backend are load/wire-load.ts. */
export async function wirePart(bench: Bench, wanted: WirePart): Promise<void> {
  const { part, title, names, baseline, question, columns, measures } = wanted
  const url = new URL('../load/wire-load.ts', import.meta.url)
  const { child: load, ready } = await bench.children.script(url, [], { core: bench.pins.load })
  // An address each: nobody uses up the local ports of another.
  const backend = (index: number) => ({ host: `127.0.1.${index + 1}`, port: Number(ready.port) })
  const contenders = await startContenders(bench, withGiven(names, bench), backend)
  const measure = (contender: Contender) => slice(load, contender, question)
  const warmUp = async (contender: Contender): Promise<void> => {
    for (const mode of ['churn', 'keep-alive']) await slice(load, contender, { ...flood, mode })
    await measure(contender)
  }
  const samples = await inRounds(bench.progress, contenders, bench.rounds, warmUp, measure)
  bench.report.table({ part, title, baseline, columns, samples, measures })
  await bench.children.end()
}
