import { startHttpBackend } from './harness/backend.ts'
import type { Bench } from './harness/bench.ts'
import type { Child } from './harness/children.ts'
import {
  baseline,
  type Contender,
  type ContenderName,
  standard,
  startContenders,
} from './harness/contenders.ts'
import { slice, startLoad } from './harness/http-load.ts'
import { inRounds } from './harness/rounds.ts'
import { httpColumns } from './requests.ts'

/** At the same time. */
const connections = 32

/** What does a connection cost that carries one small request? Twice: the server ends it first, and the client does. */
export async function connectionsPart(
  bench: Bench,
  names: readonly ContenderName[] = standard,
): Promise<void> {
  const backend = await startHttpBackend(bench)
  const contenders = await startContenders(bench, names, (index) => backend.at(index))
  const churn = await startLoad(bench, 'churn-client.ts')
  const churned = `connections: ${connections} at once, raw TCP, the server ends first, backend ${backend.name}`
  await table(bench, contenders, churn, 'keep-alive', 'connections', churned)
  await churn.end()
  if (names === standard) {
    const cannon = await startLoad(bench, 'http-client.ts')
    const title = `connections: ${connections} at once, autocannon reconnecting, the client ends first`
    await table(bench, contenders, cannon, 'reconnect', 'connections-autocannon', title)
  }
  await bench.children.end()
}

async function table(
  { report, rounds, sliceSeconds }: Bench,
  contenders: readonly Contender[],
  load: Child,
  mode: string,
  part: string,
  title: string,
): Promise<void> {
  const run = { mode, seconds: sliceSeconds, connections }
  const measure = (contender: Contender) => slice(load, contender, run)
  const samples = await inRounds(contenders, rounds, measure, measure)
  report.table({ part, title, baseline, columns: httpColumns('connection'), samples })
}
