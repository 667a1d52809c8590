import { readFileSync, writeFileSync } from 'node:fs'
import { release } from 'node:os'
import { z } from 'zod'
import type { Case, Verdict } from './case.ts'
import type { Peer } from './peer.ts'

const cell = z.strictObject({
  kind: z.enum(['pass', 'fail', 'choice', 'none']),
  seen: z.string(),
  /** What the second run said; null: the same. */
  unsteady: z.enum(['pass', 'fail', 'choice', 'none']).nullable(),
})

/** A column of the document: one peer, from two runs. */
const column = z.strictObject({
  peer: z.string(),
  version: z.string(),
  kernel: z.string(),
  date: z.iso.date(),
  cells: z.record(z.string(), cell),
})

export type Cell = Readonly<z.output<typeof cell>>
export type Column = Readonly<z.output<typeof column>>

/** What the runs said that the document is made from. */
export const recordFile = new URL('./record.json', import.meta.url)

/** Throws when it is not there, or not as it was written. */
export function readRecord(): readonly Column[] {
  return z.array(column).parse(JSON.parse(readFileSync(recordFile, 'utf8')))
}

export function writeRecord(columns: readonly Column[]): void {
  writeFileSync(recordFile, `${JSON.stringify(columns, null, 2)}\n`)
}

/** Of `cases`; those of `before` are kept. Where the two runs do not agree, the worse is told of. */
export function columnOf(
  peer: Peer,
  cases: readonly Case[],
  before: Column | undefined,
  [first, second]: readonly [ReadonlyMap<string, Verdict>, ReadonlyMap<string, Verdict>],
): Column {
  const cells: Record<string, Cell> = { ...before?.cells }
  for (const { id } of cases) {
    const [one, other] = [first.get(id), second.get(id)]
    if (one === undefined || other === undefined) continue
    const [told, also] = badness[other.kind] > badness[one.kind] ? [other, one] : [one, other]
    cells[id] = { kind: told.kind, seen: told.seen, unsteady: also.kind === told.kind ? null : also.kind }
  }
  return {
    peer: peer.name,
    version: peer.version(),
    kernel: release().replace(/^(\d+\.\d+).*/, '$1'),
    date: new Date().toISOString().slice(0, 10),
    cells,
  }
}

const badness = { none: 0, pass: 1, choice: 2, fail: 3 } as const
