import { startHttpBackend } from './harness/backend.ts'
import type { Bench } from './harness/bench.ts'
import {
  type Contender,
  type ContenderName,
  judged,
  startContenders,
  withGiven,
} from './harness/contenders.ts'
import { inRounds } from './harness/rounds.ts'
import { bestPeers, type Measure } from './harness/verdict.ts'
import { wireColumns } from './harness/wire-part.ts'
import { type WrkQuestion, wrkSlice, wrkVersion } from './harness/wrk.ts'

const crowds = [8, 64, 512] as const
/** What has a target: more at once than that are wrk's own limit on a core that it shares with nginx. */
const mostJudged = 64
const everyone: readonly ContenderName[] = ['direct', ...judged]
/** A just-in-time compiler wants some ten thousand connections. */
const warmUpSlices = 3

/** The load that others measure with: wrk, before nginx as origin, a connection a request and connections that stay. */
export async function wrkPart(bench: Bench): Promise<void> {
  const { children, everyone: all, progress, report, rounds } = bench
  const version = wrkVersion()
  if (version === null) {
    report.say('left out: wrk (it is not installed)')
    return
  }
  const backend = await startHttpBackend(bench)
  const names = withGiven(all ? everyone : judged, bench)
  const contenders = await startContenders(bench, names, (index) => backend.at(index))
  for (const close of [true, false]) {
    for (const connections of crowds) {
      const question: WrkQuestion = { connections, seconds: 1, close }
      const measure = (contender: Contender) => wrkSlice(bench, contender, question)
      const warmUp = async (contender: Contender): Promise<void> => {
        for (let i = 0; i < warmUpSlices; i++) await measure(contender)
      }
      const unit = close ? 'connection' : 'request'
      report.table({
        part: `wrk-${close ? 'close' : 'keep-alive'}`,
        title: `${version}, ${connections} at once, ${close ? 'Connection: close' : 'keep-alive'}, origin ${backend.name}`,
        baseline: 'nginx',
        columns: wireColumns(unit).filter(({ key }) => key !== 'loadUs'),
        samples: await inRounds(progress, contenders, rounds, warmUp, measure),
        measures: connections > mostJudged ? [] : [measureOf(close, connections)],
      })
    }
  }
  await children.end()
}

function measureOf(close: boolean, connections: number): Measure {
  return {
    id: `wrk-${close ? 'close' : 'keep-alive'}-${connections}`,
    title: `CPU per ${close ? 'new connection' : 'request'}, wrk with ${connections}`,
    unit: 'µs',
    key: 'cpuUs',
    better: 'less',
    target: close ? 0.93 : 1,
    ours: 'spliceway',
    peers: bestPeers,
  }
}
