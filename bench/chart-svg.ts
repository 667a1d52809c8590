import type { Recorded } from './harness/report.ts'

/** Rows that are read the same way. */
export interface Group {
  readonly title: string
  readonly better: 'less' | 'more'
  /** By the id of a measure. */
  readonly labels: Readonly<Record<string, string>>
  readonly rows: readonly Recorded[]
}

const widthPx = 900
const marginPx = 20
const headPx = 86
const groupPx = 34
const rowPx = 23
const footPx = 82
/** Where the axis begins and ends; figures are to its right. */
const axis = { from: 280, to: 620 } as const
const figuresPx = { ratio: 682, ours: 764, theirs: widthPx - marginPx } as const
/** The axis is logarithmic: half and double are equally far from the same. */
const least = 0.25
const most = 3
const ticks = [0.25, 0.5, 1, 2] as const

/** Light, then dark. */
const colours = {
  card: ['#fff', '#0d1117'],
  ink: ['#1f2328', '#e6edf3'],
  soft: ['#59636e', '#9198a1'],
  line: ['#d1d9e0', '#3d444d'],
  better: ['#1a7f37', '#3fb950'],
  worse: ['#bc4c00', '#f0883e'],
} as const
type Colour = keyof typeof colours

/** Twice: what knows no variables (rsvg-convert) drops the second and would paint everything black without the first. */
function paint(property: 'fill' | 'stroke', colour: Colour): string {
  return `${property}: ${colours[colour][0]}; ${property}: var(--${colour})`
}

function variables(shade: 0 | 1): string {
  return Object.entries(colours)
    .map(([name, shades]) => `--${name}: ${shades[shade]}`)
    .join('; ')
}

const style = `
text { font: 13px system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; ${paint('fill', 'ink')} }
.title { font-size: 17px; font-weight: 600 } .head { font-weight: 600 } .soft { ${paint('fill', 'soft')} } .small { font-size: 11px }
.mid { text-anchor: middle } .end { text-anchor: end } .bold { font-weight: 600 }
.card { ${paint('fill', 'card')}; ${paint('stroke', 'line')} }
.good { ${paint('fill', 'better')}; opacity: .08 } .noise { ${paint('fill', 'soft')}; opacity: .22 }
.tick { ${paint('stroke', 'line')} } .one { ${paint('stroke', 'soft')} } .target { ${paint('stroke', 'ink')}; stroke-width: 1.5 }
.span { stroke-width: 3; stroke-linecap: round }
${(['better', 'worse'] as const).map((kind) => `.${kind} { ${paint('stroke', kind)}; ${paint('fill', kind)} }`).join(' ')} .same { ${paint('stroke', 'soft')}; ${paint('fill', 'soft')} }
:root { ${variables(0)} }
@media (prefers-color-scheme: dark) {
:root { ${variables(1)} }
}
`

/** The chart as a text of its own: it needs nothing else, and brings its background for pages of either colour. */
export function svg(groups: readonly Group[]): string {
  const rows = groups.flatMap((group) => group.rows)
  const heightPx = headPx + groups.length * groupPx + rows.length * rowPx + footPx
  const bottomPx = heightPx - footPx + 4
  let top = headPx
  const drawn = groups.map((group) => {
    const text = groupAt(group, top)
    top += groupPx + group.rows.length * rowPx
    return text
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${widthPx} ${heightPx}" width="${widthPx}" height="${heightPx}" role="img">
<title>spliceway against the better of HAProxy and nginx stream</title>
<desc>${rows.map(inWords).map(escaped).join('; ')}</desc>
<style>${style}</style>
<rect x="0.5" y="0.5" width="${widthPx - 1}" height="${heightPx - 1}" rx="8" class="card"/>
${text(marginPx, 32, 'title', 'spliceway against the better of HAProxy and nginx stream')}
${text(marginPx, 52, 'soft', 'Ratio of ours to theirs: 1× is the same. Each has one worker on one core, and is measured in turn in the same run.')}
${text(figuresPx.ratio, headPx - 8, 'small soft end', 'ratio')}${text(figuresPx.ours, headPx - 8, 'small soft end', 'spliceway')}${text(figuresPx.theirs, headPx - 8, 'small soft end', 'best peer')}
${ticks.map((value) => tick(value, bottomPx)).join('\n')}
${drawn.join('\n')}
${legend(heightPx - 52)}
${smallPrint(rows)
  .map((line, i) => text(marginPx, heightPx - 27 + i * 14, 'small soft', line))
  .join('\n')}
</svg>
`
}

function groupAt({ title, better, labels, rows }: Group, top: number): string {
  const [from, to] = better === 'less' ? [axis.from, at(1)] : [at(1), axis.to]
  const first = top + groupPx
  const good = `<rect x="${from}" y="${first - 22}" width="${to - from}" height="${rows.length * rowPx + 24}" class="good"/>`
  const hint =
    better === 'less'
      ? text(at(1) - 8, first - 8, 'small soft end', '← less is better')
      : text(at(1) + 8, first - 8, 'small soft', 'more is better →')
  const drawn = rows.map((row, i) => rowAt(row, labels[row.id] ?? row.title, first + i * rowPx + rowPx / 2))
  return [good, text(marginPx, first - 7, 'head', title), hint, ...drawn].join('\n')
}

function rowAt(
  { peer, ours, theirs, unit, target, ratio, noise, better }: Recorded,
  label: string,
  y: number,
): string {
  const kind = standing(ratio, better)
  const band =
    noise === null
      ? ''
      : `<rect x="${at(noise.low)}" y="${y - 7}" width="${at(noise.high) - at(noise.low)}" height="14" class="noise"/>`
  return [
    text(marginPx + 12, y + 4.5, '', label),
    band,
    `<line x1="${at(target)}" x2="${at(target)}" y1="${y - 8}" y2="${y + 8}" class="target"/>`,
    `<line x1="${at(ratio.low)}" x2="${at(ratio.high)}" y1="${y}" y2="${y}" class="${kind} span"/>`,
    `<circle cx="${at(ratio.median)}" cy="${y}" r="4.5" class="${kind}"/>`,
    text(figuresPx.ratio, y + 4.5, 'bold end', `${ratio.median.toFixed(2)}×`),
    text(figuresPx.ours, y + 4.5, 'end', `${figure(ours)} ${unit}`),
    text(figuresPx.theirs, y + 4.5, 'end soft', `${peer === 'spliceway' ? 'off' : peer} ${figure(theirs)}`),
  ].join('')
}

/** Where the whole interval is. */
function standing({ low, high }: Recorded['ratio'], better: Recorded['better']): 'better' | 'same' | 'worse' {
  if (low <= 1 && high >= 1) return 'same'
  return high < 1 === (better === 'less') ? 'better' : 'worse'
}

function tick(value: number, bottomPx: number): string {
  const x = at(value)
  const line = `<line x1="${x}" x2="${x}" y1="${headPx}" y2="${bottomPx}" class="${value === 1 ? 'one' : 'tick'}"/>`
  return line + text(x, headPx - 8, 'mid small', `${value}×`)
}

function legend(y: number): string {
  const dot = (x: number, kind: string, words: string): string =>
    `<line x1="${x}" x2="${x + 22}" y1="${y}" y2="${y}" class="${kind} span"/><circle cx="${x + 11}" cy="${y}" r="4.5" class="${kind}"/>` +
    text(x + 30, y + 4, 'small', words)
  return [
    dot(marginPx, 'better', 'better'),
    dot(marginPx + 82, 'same', 'no difference shown'),
    dot(marginPx + 240, 'worse', 'worse (median, 95 % interval)'),
    `<rect x="468" y="${y - 7}" width="22" height="14" class="noise"/>${text(498, y + 4, 'small', 'the same nginx against itself: noise')}`,
    `<line x1="715" x2="715" y1="${y - 8}" y2="${y + 8}" class="target"/>${text(724, y + 4, 'small', 'our target')}`,
  ].join('')
}

/** Where, when and with what it was measured, of all rows. */
function smallPrint(rows: readonly Recorded[]): readonly string[] {
  const each = (fact: (row: Recorded) => string | number): string => [...new Set(rows.map(fact))].join(', ')
  return [
    `${each(({ machine }) => machine.cpu)}, ${each(({ machine }) => machine.cores)} cores (one for the forwarder, one for load and backend), Linux ${each(({ machine }) => machine.kernel)}, Node ${each(({ machine }) => machine.node)}`,
    `commit ${each(({ machine }) => machine.commit)}; ${each(({ machine }) => machine.date.slice(0, 10))}; ${span(rows.map(({ rounds }) => rounds))} paired rounds; load over loopback and veth, no network card; see bench/README.md`,
  ]
}

function span(counts: readonly number[]): string {
  const [fewest, most] = [Math.min(...counts), Math.max(...counts)]
  return fewest === most ? `${most}` : `${fewest} to ${most}`
}

function inWords({ title, unit, ours, theirs, peer, ratio }: Recorded): string {
  return `${title}: ${figure(ours)} ${unit}, ${peer} ${figure(theirs)} ${unit}, ratio ${ratio.median.toFixed(2)}`
}

/** Three significant digits, at most three decimals, no exponent. */
function figure(value: number): string {
  if (value >= 1_000) return value.toFixed(0)
  return value < 0.1 ? value.toFixed(3) : value.toPrecision(3)
}

function at(ratio: number): number {
  const inside = Math.min(most, Math.max(least, ratio))
  const share = Math.log(inside / least) / Math.log(most / least)
  return Math.round((axis.from + share * (axis.to - axis.from)) * 10) / 10
}

function text(x: number, y: number, kind: string, words: string): string {
  return `<text x="${x}" y="${y}"${kind === '' ? '' : ` class="${kind}"`}>${escaped(words)}</text>`
}

function escaped(words: string): string {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
