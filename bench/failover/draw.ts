import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type ForwarderName, forwarderNames, scenarioNames } from './names.ts'
import { type Moment, span, type Timeline } from './timeline.ts'

const [widthPx, leftPx, rightPx] = [900, 60, 16]
const [headPx, panelPx, gapPx] = [72, 96, 72]
/** Names in a row of the legend. */
const inRow = 4
/** Of the row above each panel that shows failures, one line a forwarder. */
const failedPx = 5
/** Ends of the axis, which is logarithmic. */
const [leastMs, mostMs] = [0.3, 6_000]
const ticksMs = [1, 10, 100, 1_000]
const colours: Readonly<Record<ForwarderName, string>> = {
  spliceway: 'ours',
  'spliceway, p2c': 'ours-too',
  'spliceway, defaults': 'ours-default',
  'spliceway, onDown': 'ours-staying',
  HAProxy: 'peer',
  'HAProxy, redispatch last': 'peer-too',
  'HAProxy, fastinter': 'peer-default',
  'HAProxy, shutdown-sessions': 'peer-staying',
}

/** Draws the latest timeline of each scenario and forwarder. Does nothing when there is none. */
export function drawTimelines(results: URL, file: URL): void {
  const latest = new Map<string, Timeline>()
  for (const name of readdirSync(results).sort()) {
    if (!name.endsWith('-failover-timeline.jsonl')) continue
    for (const line of readFileSync(new URL(name, results), 'utf8').split('\n')) {
      if (line === '') continue
      const timeline: Timeline = JSON.parse(line)
      latest.set(`${timeline.scenario} ${timeline.forwarder}`, timeline)
    }
  }
  if (latest.size > 0) writeFileSync(file, svg([...latest.values()]))
}

export function svg(timelines: readonly Timeline[]): string {
  const panels = scenarioNames
    .map((name) => timelines.filter(({ scenario }) => scenario === name))
    .filter(({ length }) => length > 0)
  const forwarders = forwarderNames.filter((name) => timelines.some(({ forwarder }) => forwarder === name))
  const heightPx = headPx + panels.length * (panelPx + gapPx)
  const legend = forwarders.map((name, at) => {
    const x = leftPx + (at % inRow) * 200
    const y = 30 + Math.floor(at / inRow) * 18
    return `<line x1="${x}" x2="${x + 22}" y1="${y}" y2="${y}" class="${colours[name]}"/><text x="${x + 28}" y="${y + 4}">${name}</text>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${widthPx} ${heightPx}" width="${widthPx}" height="${heightPx}" role="img">
<title>Time to first byte around faults</title>
<style>
text { font: 12px system-ui, sans-serif; fill: #24292f } .mid { text-anchor: middle } .end { text-anchor: end }
.tick { stroke: #8883 } .fault { fill: #cf222e14 }
polyline, [class^=ours], [class^=peer] { fill: none; stroke-width: 1.5 }
.ours { stroke: #1a7f37 } .ours-too { stroke: #0969da } .peer { stroke: #cf222e } .peer-too { stroke: #bf8700 }
.ours-default, .ours-staying { stroke: #1b7c83 } .peer-default, .peer-staying { stroke: #8250df }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .fault { fill: #f8514926 }
.ours { stroke: #3fb950 } .ours-too { stroke: #58a6ff } .peer { stroke: #f85149 } .peer-too { stroke: #d29922 }
.ours-default, .ours-staying { stroke: #39c5cf } .peer-default, .peer-staying { stroke: #bc8cff }
}
</style>
<text x="${leftPx}" y="16">Longest time to first byte of the connections opened in each tenth of a second; the bars on top: some of them failed</text>
${legend.join('\n')}
${panels.map((panel, index) => drawn(panel, headPx + index * (panelPx + gapPx) + gapPx / 2)).join('\n')}
</svg>
`
}

function drawn(timelines: readonly Timeline[], topPx: number): string {
  const [first] = timelines
  if (first === undefined) return ''
  const bottom = topPx + panelPx
  const y = (ms: number): number => {
    const share = Math.log(Math.max(ms, leastMs) / leastMs) / Math.log(mostMs / leastMs)
    return round(bottom - share * panelPx)
  }
  const grid = ticksMs.map((ms) => {
    const label = ms < 1_000 ? `${ms} ms` : `${ms / 1_000} s`
    return `<line x1="${leftPx}" x2="${widthPx - rightPx}" y1="${y(ms)}" y2="${y(ms)}" class="tick"/><text x="${leftPx - 6}" y="${y(ms) + 4}" class="end">${label}</text>`
  })
  const seconds = Array.from({ length: span.after + 1 }, (_, s) => s).filter((s) => s % 2 === 0)
  const axis = seconds.map((s) => `<text x="${x(s)}" y="${bottom + 14}" class="mid">${s} s</text>`)
  const fault = `<rect x="${x(0)}" y="${topPx}" width="${round(x(first.mendedS) - x(0))}" height="${panelPx}" class="fault"/>`
  const lines = timelines.map(({ forwarder, moments }, row) => {
    const colour = colours[forwarder]
    return `${curves(moments, y, colour)}${failures(moments, topPx - 3 - row * failedPx, colour)}`
  })
  return `<text x="${leftPx}" y="${topPx - 26}">${first.title}</text>
${grid.join('')}${fault}${axis.join('')}
${lines.join('\n')}`
}

/** A line for each run of tenths in which somebody was answered. */
function curves(moments: readonly Moment[], y: (ms: number) => number, colour: string): string {
  const runs: string[][] = [[]]
  for (const { s, longestMs } of moments) {
    if (longestMs === null) runs.push([])
    else runs.at(-1)?.push(`${x(s)},${y(longestMs)}`)
  }
  return runs
    .filter(({ length }) => length > 0)
    .map((points) => `<polyline points="${points.join(' ')}" class="${colour}"/>`)
    .join('')
}

function failures(moments: readonly Moment[], y: number, colour: string): string {
  return moments
    .filter(({ failed }) => failed > 0)
    .map(({ s }) => {
      const [from, to] = [x(s), x(s + 0.1)]
      return `<line x1="${from}" x2="${to}" y1="${y}" y2="${y}" class="${colour}" style="stroke-width:4"/>`
    })
    .join('')
}

function x(s: number): number {
  return round(leftPx + ((s + span.before) / (span.before + span.after)) * (widthPx - leftPx - rightPx))
}

function round(px: number): number {
  return Math.round(px * 10) / 10
}
