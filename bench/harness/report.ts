import { appendFileSync, mkdirSync } from 'node:fs'
import type { Machine } from './machine.ts'
import type { Sample, Samples } from './rounds.ts'
import { median, pairedRatio, type Ratio } from './statistics.ts'
import { judge, type Measure, type Verdict } from './verdict.ts'

/** A column of a part's table. Figures that a contender does not have show as a dash. */
export interface Column {
  readonly key: string
  readonly title: string
  readonly digits: number
  /** Shows the least and the greatest, and the ratio to the baseline. One column a table. */
  readonly main?: boolean
}

export interface Table {
  /** `requests`: names the file. */
  readonly part: string
  /** What was done, in one sentence. */
  readonly title: string
  /** Which contender the ratio is paired with; null: no ratio. */
  readonly baseline: string | null
  readonly columns: readonly Column[]
  readonly samples: Samples
  /** What of it has a target. */
  readonly measures?: readonly Measure[]
}

/** A line of `<date>-targets.jsonl`. */
export interface Recorded extends Verdict {
  readonly rounds: number
  readonly machine: Machine
}

/** Prints Markdown, and appends a JSON line a contender to `<folder>/<date>-<part>.jsonl`. */
export class Report {
  readonly #folder: URL
  readonly #machine: Machine
  readonly #print: (text: string) => void
  readonly #verdicts: Verdict[] = []

  constructor(folder: URL, machine: Machine, print: (text: string) => void) {
    this.#folder = folder
    this.#machine = machine
    this.#print = print
  }

  say(text: string): void {
    this.#print(`${text}\n`)
  }

  table(table: Table): void {
    const { columns, samples, baseline } = table
    const base = baseline === null ? [] : (samples.get(baseline) ?? [])
    const heads = columns.flatMap(({ title, main }) => (main ? [title, ...mainHeads(baseline)] : [title]))
    const rows = [...samples].map(([name, own]) => [
      name,
      ...columns.flatMap((column) => cells(column, own, baseline === null ? null : base)),
    ])
    const lines = [['', ...heads], ['---', ...heads.map(() => '---:')], ...rows]
    this.say(`\n### ${table.title}\n\n${lines.map((line) => `| ${line.join(' | ')} |`).join('\n')}\n`)
    this.#record(table)
    for (const measure of table.measures ?? []) {
      const verdict = judge(measure, samples)
      if (verdict === null) continue
      this.#verdicts.push(verdict)
      const rounds = samples.get(measure.ours)?.length ?? 0
      const recorded: Recorded = { ...verdict, rounds, machine: this.#machine }
      this.#append('targets', recorded)
    }
  }

  /** All that was judged so far. */
  targets(): void {
    if (this.#verdicts.length === 0) return
    const rows = this.#verdicts.map((verdict) => {
      const { title, unit, ours, theirs, peer, ratio, noise, better, target, most, met } = verdict
      const itself = most === null ? '' : `, itself ≤ ${most}`
      const wanted = `${better === 'less' ? '≤' : '≥'} ${target.toFixed(2)}${itself}`
      const figures = [figure(ours), `${figure(theirs)} (${peer})`, inWords(ratio)]
      return [
        `${title}, ${unit}`,
        ...figures,
        noise === null ? '–' : inWords(noise),
        wanted,
        met ? 'met' : 'missed',
      ]
    })
    const head = ['', 'ours', 'best peer', 'ratio, 95 %', 'A/A, 95 %', 'target', '']
    const lines = [head, ['---', ...head.slice(1).map(() => '---:')], ...rows]
    this.say(`\n### Targets\n\n${lines.map((line) => `| ${line.join(' | ')} |`).join('\n')}\n`)
  }

  #record({ part, title, samples, columns, baseline }: Table): void {
    for (const [contender, own] of samples) {
      const medians = Object.fromEntries(columns.map(({ key }) => [key, median(valuesOf(own, key))]))
      const main = columns.find((column) => column.main)?.key
      const ratio =
        main === undefined || baseline === null
          ? null
          : pairedRatio(valuesOf(own, main), valuesOf(samples.get(baseline) ?? [], main))
      const line = { part, title, contender, medians, ratio, baseline, samples: own, machine: this.#machine }
      this.#append(part, line)
    }
  }

  #append(part: string, line: unknown): void {
    const file = new URL(`${this.#machine.date.slice(0, 10)}-${part}.jsonl`, this.#folder)
    mkdirSync(this.#folder, { recursive: true })
    appendFileSync(file, `${JSON.stringify(line)}\n`)
  }
}

function inWords({ median, low, high }: Ratio): string {
  return `${median.toFixed(2)} (${low.toFixed(2)}..${high.toFixed(2)})`
}

/** Three significant digits. */
function figure(value: number): string {
  return Number.isFinite(value) ? value.toPrecision(3) : '–'
}

function mainHeads(baseline: string | null): string[] {
  return baseline === null ? ['min..max'] : ['min..max', `to ${baseline}`, '95 %']
}

function cells(
  { key, digits, main }: Column,
  own: readonly Sample[],
  base: readonly Sample[] | null,
): string[] {
  const values = valuesOf(own, key)
  const show = (value: number): string => (Number.isFinite(value) ? value.toFixed(digits) : '–')
  if (!main) return [show(median(values))]
  const range = values.length === 0 ? '–' : `${show(Math.min(...values))}..${show(Math.max(...values))}`
  if (base === null) return [show(median(values)), range]
  if (values.length === 0) return ['–', '–', '–', '–']
  const ratio = pairedRatio(values, valuesOf(base, key))
  const interval = `${ratio.low.toFixed(2)}..${ratio.high.toFixed(2)}`
  return [show(median(values)), range, ratio.median.toFixed(2), interval]
}

function valuesOf(samples: readonly Sample[], key: string): number[] {
  return samples.map((sample) => sample[key]).filter((value) => value !== undefined)
}
