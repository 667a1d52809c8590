import type { Bench } from './bench.ts'
import type { Answer, Child, Question } from './children.ts'
import type { Contender } from './contenders.ts'
import { cpuNs } from './process-cost.ts'
import type { Sample } from './rounds.ts'

/** Counts of a run that its client reports: units of work done, and tries that failed. */
interface Run {
  readonly count: number
  readonly seconds: number
}

/** More failures than one in a thousand, and the figures are about something else. */
const tolerated = 1e-3

/** A client for load; `script` is a file of bench/load. */
export async function startLoad(bench: Bench, script: string): Promise<Child> {
  const url = new URL(`../load/${script}`, import.meta.url)
  return (await bench.children.script(url, [], { core: bench.pins.load })).child
}

/** One slice of load through a contender: CPU per unit of work of forwarder and load, rate and latencies. */
export async function slice(common: Child, contender: Contender, question: Question): Promise<Sample> {
  const { forwarder, target } = contender
  const load = contender.load ?? common
  const used = (): number => (forwarder === null ? 0 : cpuNs(forwarder.pid))
  const [beforeNs, loadBeforeNs] = [used(), cpuNs(load.pid)]
  const answer = await load.ask({ ...question, ...target })
  const [usedNs, loadNs] = [used() - beforeNs, cpuNs(load.pid) - loadBeforeNs]
  const sample = sampleOf(contender, answer, forwarder === null ? null : usedNs)
  return { ...sample, loadUs: loadNs / 1e3 / Number(answer.count) }
}

/** The figures of a slice; `usedNs`: the forwarder's CPU time, null where there is none. Throws when too much has failed. */
export function sampleOf(contender: Contender, answer: Answer, usedNs: number | null): Sample {
  const { count, seconds } = runOf(contender, answer)
  const latencies = { p50: Number(answer.p50), p99: Number(answer.p99), p999: Number(answer.p999) }
  const rates = { perSecond: count / seconds, ...latencies }
  if (usedNs === null) return rates
  return { cpuUs: usedNs / 1e3 / count, busy: (usedNs / 1e9 / seconds) * 100, ...rates }
}

function runOf({ name }: Contender, { count, failed, seconds }: Answer): Run {
  const done = Number(count)
  if (done === 0 || Number(failed) > done * tolerated) {
    throw new Error(`${name}: ${failed} of ${done + Number(failed)} failed; the figures would say nothing`)
  }
  return { count: done, seconds: Number(seconds) }
}
