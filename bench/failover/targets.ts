import type { Sample } from '../harness/rounds.ts'
import type { ScenarioName } from './names.ts'
import { figure } from './table.ts'

/** Of a node that falls silent: what may be lost at 500 a second to three nodes, and when the last of them has come. */
const silentLost = 100
const silentS = 1
const probeMs = 1_000
const hedgeMs = 250
/** What a dial, an answer and the machine may take beside the delay that is meant. */
const graceMs = 100

export interface FailoverTarget {
  readonly title: string
  readonly scenario: ScenarioName
  readonly value: number
  readonly most: number
  readonly met: boolean
}

/** What is judged of the faults that were measured, against the figures of the same run. */
export function failoverTargets(
  measured: ReadonlyMap<ScenarioName, ReadonlyMap<string, Sample>>,
): FailoverTarget[] {
  return [...measured].flatMap(([scenario, samples]) => {
    const ours = samples.get('spliceway')
    return ours === undefined ? [] : judged(scenario, ours, samples.get('HAProxy'))
  })
}

function judged(scenario: ScenarioName, ours: Sample, peer: Sample | undefined): FailoverTarget[] {
  const of = (key: string, sample = ours): number => sample[key] ?? Number.NaN
  const target = (title: string, value: number, most: number): FailoverTarget => {
    return { title, scenario, value, most, met: value <= most }
  }
  const failed = target('failed connections', of('failed'), 0)
  switch (scenario) {
    case 'killed':
      return [failed, target('p99.9 / that of the calm', of('around-p999') / of('calm-p999'), 1.5)]
    case 'black-hole':
    case 'unplugged': {
      const own = target('longest time to first byte, ms', of('around-max'), hedgeMs + graceMs)
      if (peer === undefined) return [failed, own]
      const ratio = of('around-max') / of('around-max', peer)
      return [failed, own, target("longest / HAProxy's", ratio, 1 / 3)]
    }
    case 'frozen':
      return [
        target('failed connections', of('failed'), silentLost),
        target('s until the last failure', of('failed') === 0 ? 0 : of('lastFailedS'), silentS),
      ]
    case 'flapping':
    case 'tier-gone':
      return [failed]
    case 'all-gone':
      return [target('ms from the return to the first answer', of('backMs'), probeMs + graceMs)]
  }
}

export function targetsTable(targets: readonly FailoverTarget[]): string {
  const rows = targets.map(({ scenario, title, value, most, met }) => [
    scenario,
    title,
    figure(value, Number.isInteger(value) ? 0 : 2),
    `≤ ${figure(most, Number.isInteger(most) ? 0 : 2)}`,
    met ? 'met' : 'missed',
  ])
  const lines = [['', '', 'ours', 'target', ''], ['---', '---', '---:', '---:', '---'], ...rows]
  return lines.map((line) => `| ${line.join(' | ')} |`).join('\n')
}
