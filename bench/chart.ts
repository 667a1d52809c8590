import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { Verdict } from './harness/verdict.ts'

const rowPx = 24
const labelPx = 330
const scalePx = 300
const widthPx = 760
const topPx = 44
/** Ends of the axis, which is logarithmic: half and double are equally far from the same. */
const [least, most] = [0.25, 4]

/**
 * Draws the latest verdict of each measure: the ratio of ours to the best peer's, its 95 % interval, and the target. Less is
 * better in some rows and more in others: an arrow before the title says which.
 */
export function drawChart(results: URL, file: URL): void {
  const verdicts = latest(results)
  writeFileSync(file, svg(verdicts))
}

function latest(results: URL): readonly Verdict[] {
  const last = new Map<string, Verdict>()
  const files = readdirSync(results).filter((name) => name.endsWith('-targets.jsonl'))
  for (const name of files.sort()) {
    for (const line of readFileSync(new URL(name, results), 'utf8').split('\n')) {
      if (line === '') continue
      const verdict: Verdict = JSON.parse(line)
      last.delete(verdict.id) // so that the order is that of the last run
      last.set(verdict.id, verdict)
    }
  }
  return [...last.values()]
}

function svg(verdicts: readonly Verdict[]): string {
  const heightPx = topPx + verdicts.length * rowPx + 34
  const bottom = heightPx - 30
  const ticks = [0.25, 0.5, 1, 2, 4].map((value) => {
    const x = at(value)
    const line = `<line x1="${x}" x2="${x}" y1="${topPx - 8}" y2="${bottom}" class="${value === 1 ? 'one' : 'tick'}"/>`
    return `${line}<text x="${x}" y="${topPx - 14}" class="mid">${value}×</text>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${widthPx} ${heightPx}" width="${widthPx}" height="${heightPx}" role="img">
<title>spliceway against the best of HAProxy and nginx stream</title>
<style>
text { font: 12px system-ui, sans-serif; fill: #24292f } .mid { text-anchor: middle } .small { font-size: 11px }
.tick { stroke: #8884 } .one { stroke: #888 } .target { stroke: #9a6700; stroke-width: 2 }
.met { stroke: #1a7f37; fill: #1a7f37 } .missed { stroke: #cf222e; fill: #cf222e } .span { stroke-width: 3 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .target { stroke: #d29922 }
.met { stroke: #3fb950; fill: #3fb950 } .missed { stroke: #f85149; fill: #f85149 }
}
</style>
<text x="8" y="16">spliceway / best peer: median paired ratio, 95 % interval</text>
${ticks.join('\n')}
${verdicts.map(row).join('\n')}
<text x="8" y="${heightPx - 10}" class="small">← less is better, → more is better; the short bar is the target; green: the whole interval is on its good side</text>
</svg>
`
}

function row({ title, better, target, peer, ratio, met }: Verdict, index: number): string {
  const y = topPx + index * rowPx + rowPx / 2
  const kind = met ? 'met' : 'missed'
  const goal = at(target)
  const arrow = better === 'less' ? '←' : '→'
  return [
    `<text x="8" y="${y + 4}">${arrow} ${escaped(title)}</text>`,
    `<line x1="${goal}" x2="${goal}" y1="${y - 9}" y2="${y + 9}" class="target"/>`,
    `<line x1="${at(ratio.low)}" x2="${at(ratio.high)}" y1="${y}" y2="${y}" class="${kind} span"/>`,
    `<circle cx="${at(ratio.median)}" cy="${y}" r="4" class="${kind}"/>`,
    `<text x="${labelPx + scalePx + 16}" y="${y + 4}">${ratio.median.toFixed(2)} of ${escaped(peer)}</text>`,
  ].join('')
}

function at(ratio: number): number {
  const inside = Math.min(most, Math.max(least, ratio))
  const share = Math.log(inside / least) / Math.log(most / least)
  return Math.round((labelPx + share * scalePx) * 10) / 10
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
