import { readFileSync } from 'node:fs'
import type { Case } from './case.ts'
import { topics } from './cases.ts'
import type { Peer, Place } from './peer.ts'
import { published } from './peers.ts'
import type { Cell, Column } from './record.ts'

/** What people wrote of it; the rest stands where it says `<!-- table -->` and so on. */
const template = new URL('./document.md', import.meta.url)
export const documentFile = new URL('../docs/conformance.md', import.meta.url)

/** Where a setup of the document listens and forwards to. */
const shown: Place = { folder: '/tmp/conformance', port: 80, endpoints: [9080, 9081], revision: 0 }

const words = { pass: 'pass', fail: '**fail**', choice: 'choice', none: '–' } as const

/** docs/conformance.md from what the runs said. Throws when a column or a cell is missing. */
export function documentOf(columns: readonly Column[]): string {
  const ordered = published.map((peer) => {
    const column = columns.find(({ peer: name }) => name === peer.name)
    if (column === undefined) throw new Error(`nobody has run ${peer.name}: npm run conformance -- --write`)
    return { peer, column }
  })
  const parts: Readonly<Record<string, string>> = {
    table: table(ordered),
    cases: topics.map((topic) => details(topic, ordered)).join('\n\n'),
    taken: taken(),
    peers: ordered.map(peerDetails).join('\n\n'),
  }
  return readFileSync(template, 'utf8').replace(/<!-- (\w+) -->/g, (_, name: string) => {
    const part = parts[name]
    if (part === undefined) throw new Error(`there is nothing called ${name}`)
    return part
  })
}

interface Ordered {
  readonly peer: Peer
  readonly column: Column
}

function table(ordered: readonly Ordered[]): string {
  const head = ['', ...ordered.map(({ peer }) => peer.title)]
  const rows = topics.flatMap(({ title, cases }) => [
    [`*${title}*`, ...ordered.map(() => '')],
    ...cases.map((one) => [
      `[${one.id}](#${one.id})`,
      ...ordered.map(({ column }) => word(cellOf(column, one))),
    ]),
  ])
  const count = (kind: Cell['kind']): readonly string[] =>
    ordered.map(({ column }) =>
      String(Object.values(column.cells).filter((cell) => cell.kind === kind).length),
    )
  const sums = (['pass', 'choice', 'fail'] as const).map((kind) => [`**${kind}**`, ...count(kind)])
  return [head, head.map((_, i) => (i === 0 ? '---' : ':---:')), ...rows, ...sums]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n')
}

function word({ kind, unsteady }: Cell): string {
  return unsteady === null ? words[kind] : `${words[kind]} / ${words[unsteady]}, unsteady`
}

function cellOf({ peer, cells }: Column, { id }: Case): Cell {
  const cell = cells[id]
  if (cell === undefined) throw new Error(`${peer} was not asked ${id}: npm run conformance -- --write`)
  return cell
}

function details(topic: (typeof topics)[number], ordered: readonly Ordered[]): string {
  return [`### ${topic.title}`, ...topic.cases.map((one) => caseDetails(one, ordered))].join('\n\n')
}

function caseDetails(one: Case, ordered: readonly Ordered[]): string {
  const seen = new Map<string, string[]>()
  for (const { peer, column } of ordered) {
    const cell = cellOf(column, one)
    if (cell.kind === 'none') continue
    const line = `${word(cell)}: ${cell.seen}`
    seen.set(line, [...(seen.get(line) ?? []), peer.title])
  }
  const observations = [...seen].map(([line, who]) => `${line} (${who.join('; ')})`)
  return [
    `#### ${one.id}`,
    '',
    `${upper(one.title)}. ${one.why}`,
    ...(one.choice === undefined ? [] : ['', `*A choice:* ${one.choice}`]),
    '',
    ...observations.map((line) => `- ${line}`),
  ].join('\n')
}

function taken(): string {
  return topics
    .flatMap(({ cases }) => cases)
    .flatMap(({ id, from }) => (from === undefined ? [] : [`- [${id}](#${id}): ${from}`]))
    .join('\n')
}

function peerDetails({ peer, column }: Ordered): string {
  const head = `### ${peer.title}\n\n${column.version}, Linux ${column.kernel}, ${column.date}.`
  if (peer.mostEndpoints === 0) return head
  const { files, command, reload, stop } = peer.setup({
    ...shown,
    endpoints: shown.endpoints.slice(0, peer.mostEndpoints),
  })
  const how = [reload && `reload: ${reload}`, stop && `graceful stop: ${stop}`].filter(
    (text) => text !== null,
  )
  const line = command.map((part) => (/^[\w./,:=-]+$/.test(part) ? shortened(part) : `'${part}'`)).join(' ')
  return [
    head,
    ...(how.length === 0 ? [] : [`${upper(how.join('; '))}.`]),
    ['```', `$ ${line}`, ...Object.values(files).map((text) => `\n${text.trimEnd()}`), '```'].join('\n'),
  ].join('\n\n')
}

/** A program by its name: where it is differs from machine to machine. */
function shortened(part: string): string {
  const program = part.split('/').at(-1) ?? part
  if (/^\/.*\/src\/cli\.mjs$/.test(part)) return 'src/cli.mjs'
  return /^\/.*\/(bin|sbin)\/[\w-]+$/.test(part) ? program : part
}

function upper(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
