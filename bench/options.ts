import { parseArgs } from 'node:util'
import { type ScenarioName, scenarioNames } from './failover/names.ts'

export const partNames = [
  'requests',
  'connections',
  'bulk',
  'bulk-veth',
  'latency',
  'banner',
  'memory',
  'workers',
  'wrk',
  'autocannon',
  'startup',
  'spread',
  'net-plane',
  'failover',
] as const
export type PartName = (typeof partNames)[number]

export interface Options {
  readonly parts: readonly PartName[]
  readonly rounds: number
  readonly sliceSeconds: number
  readonly quick: boolean
  /** Everyone, or only whom a target is about. */
  readonly everyone: boolean
  /** Of `failover`: which ones; none named: all. */
  readonly faults: readonly ScenarioName[]
  /** A second HAProxy to measure, as a path. */
  readonly haproxy: string | null
  /** Draw the charts from the latest results. */
  readonly chart: boolean
}

export const usage = `usage: npm run bench -- [PART...] [--rounds N] [--quick] [--judged] [--haproxy PATH] [--faults NAME,...] [--chart]
parts: ${partNames.join(', ')}; all of them when none is named
--rounds N   measurements of each contender, 15 by default
--quick      3 shorter rounds, for a first impression
--judged     only the contenders that a target is about
--haproxy    another HAProxy beside the installed one
--faults     of failover: ${scenarioNames.join(', ')}; all of them when not given
--chart      draw the charts from the latest results of all parts; without a part, measure nothing
`

const defaultRounds = 15
const quickRounds = 3
/** A part of more rounds takes longer than anyone waits. */
const mostRounds = 99
const sliceSeconds = 1
const quickSliceSeconds = 0.5

/** The options, or what is wrong with the arguments. */
export function parseOptions(args: readonly string[]): Options | string {
  let parsed: ReturnType<typeof parse>
  try {
    parsed = parse(args)
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
  const { positionals, values } = parsed
  const chart = values.chart === true
  const every = positionals.length === 0 && !chart
  const parts = partNames.filter((name) => every || positionals.includes(name))
  const unknown = positionals.find((given) => !partNames.some((name) => name === given))
  if (unknown !== undefined) return `there is no part \`${unknown}\``
  const quick = values.quick === true
  const rounds = values.rounds === undefined ? (quick ? quickRounds : defaultRounds) : Number(values.rounds)
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > mostRounds) {
    return `--rounds: expected 1 to ${mostRounds}, got \`${values.rounds}\``
  }
  const everyone = values.judged !== true
  const wanted = values.faults?.split(',') ?? []
  const faults = scenarioNames.filter((name) => wanted.includes(name))
  const stranger = wanted.find((given) => !scenarioNames.some((name) => name === given))
  if (stranger !== undefined) return `--faults: there is no fault \`${stranger}\``
  return {
    parts,
    rounds,
    quick,
    everyone,
    faults,
    haproxy: values.haproxy ?? null,
    chart,
    sliceSeconds: quick ? quickSliceSeconds : sliceSeconds,
  }
}

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string' },
      quick: { type: 'boolean' },
      judged: { type: 'boolean' },
      faults: { type: 'string' },
      haproxy: { type: 'string' },
      chart: { type: 'boolean' },
    },
    allowPositionals: true,
  })
}
