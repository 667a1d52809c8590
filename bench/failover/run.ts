import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Cluster, type Fault, forwarderHost } from '../../test/helpers/cluster.ts'
import type { Bench } from '../harness/bench.ts'
import type { Child } from '../harness/children.ts'
import { type LoadRecord, type RunRecord, type Strike, type SynSample, timeOfDayMs } from './record.ts'
import { type Scenario, strike } from './scenarios.ts'

export interface Windows {
  /** Before anything counts: a just-in-time compiler wants it. */
  readonly warmUpMs: number
  readonly calmMs: number
  readonly faultMs: number
  readonly recoveryMs: number
}

/** New connections a second. */
export const rate = 500
/** Connections that stay. */
export const keptCount = 30
/** From one look at the SYN counters to the next: a process each. */
const sampleMs = 200

/** The fault, once, under load. The load's process is in the client's namespace. */
export async function runScenario(
  bench: Bench,
  cluster: Cluster,
  syns: () => readonly number[],
  load: Child,
  scenario: Scenario,
  { warmUpMs, calmMs, faultMs, recoveryMs }: Windows,
): Promise<RunRecord> {
  const file = join(bench.folder, 'visits.json')
  const seconds = (warmUpMs + calmMs + faultMs + recoveryMs) / 1000
  const startMs = timeOfDayMs()
  const { port } = scenario
  const loaded = load.ask({ host: forwarderHost, port, seconds, rate, kept: keptCount, file })
  const samples: SynSample[] = []
  const sampler = setInterval(() => samples.push({ atMs: timeOfDayMs(), counts: syns() }), sampleMs)
  try {
    await until(startMs + warmUpMs + calmMs)
    const strikes: Strike[] = []
    const timed: Fault = async (node) => {
      const fromMs = timeOfDayMs()
      const mend = await scenario.fault(node)
      strikes.push({ fromMs, completeMs: timeOfDayMs() })
      return mend
    }
    const mend = await strike(cluster, scenario, timed)
    samples.push({ atMs: timeOfDayMs(), counts: syns() })
    await until(startMs + warmUpMs + calmMs + (scenario.lastsMs ?? faultMs))
    const mendFromMs = timeOfDayMs()
    await mend()
    const mendedMs = timeOfDayMs()
    await loaded
    const [first, ...rest] = together(strikes, scenario.flapMs === null)
    if (first === undefined) throw new Error(`${scenario.name}: nothing was struck`)
    const record: LoadRecord = JSON.parse(readFileSync(file, 'utf8'))
    return {
      ...record,
      nodes: cluster.nodes.map(({ name }) => name),
      struck: scenario.struck,
      calmFromMs: startMs + warmUpMs,
      strikes: [first, ...rest],
      mendFromMs,
      mendedMs,
      endMs: startMs + seconds * 1000,
      syns: samples,
    }
  } finally {
    clearInterval(sampler)
  }
}

/** Strikes on several nodes at once are one. */
function together(strikes: readonly Strike[], atOnce: boolean): readonly Strike[] {
  if (!atOnce) return strikes
  const fromMs = Math.min(...strikes.map((each) => each.fromMs))
  return [{ fromMs, completeMs: Math.max(...strikes.map((each) => each.completeMs)) }]
}

async function until(atMs: number): Promise<void> {
  await sleep(Math.max(0, atMs - timeOfDayMs()))
}
