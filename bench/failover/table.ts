import type { Sample } from '../harness/rounds.ts'

const heads = [
  'failed',
  'the last, s',
  'lost in flight',
  'calm: p50 / p99 / p99.9 / max, ms',
  'around the fault, ms',
  'last SYN, s',
  'SYNs',
  'long-lived lost: on it, elsewhere',
  'known to half / all of those on it, s',
  'then a / b / c, %',
] as const

/** The figures of one fault as Markdown, a row for each forwarder. */
export function tableOf(samples: ReadonlyMap<string, Sample>): string {
  const rows = [...samples].map(([name, sample]) => {
    const show = (key: string, digits = 0): string => figure(sample[key], digits)
    const latencies = (window: string): string =>
      ['p50', 'p99', 'p999', 'max'].map((key) => show(`${window}-${key}`, 1)).join(' / ')
    return [
      name,
      show('failed'),
      sample.failed === 0 ? '' : show('lastFailedS', 1),
      show('inFlight'),
      latencies('calm'),
      latencies('around'),
      show('quietS', 1),
      show('syns'),
      `${show('keptStruckLost')} of ${show('keptStruck')}, ${show('keptLost')}`,
      `${show('keptKnownHalfS', 1)} / ${show('keptKnownAllS', 1)}`,
      ['a', 'b', 'c'].map((node) => show(`share-${node}`)).join(' / '),
    ]
  })
  const lines = [['', ...heads], ['---', ...heads.map(() => '---:')], ...rows]
  return lines.map((line) => `| ${line.join(' | ')} |`).join('\n')
}

export function figure(value = Number.NaN, digits = 0): string {
  return Number.isFinite(value) ? value.toFixed(digits) : '–'
}
