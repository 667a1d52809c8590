import { shown } from '../core/shown.ts'

/** Between columns, as kubectl has it. */
const gap = '   '
/** Of the last column, which is words: it says something. */
const enough = 16
/** A column that is cut keeps as much: the beginning of an address or a name. */
const narrowest = 5

export interface TableView {
  /** Columns that are left out when every row says only this, by heading. */
  readonly dull?: Readonly<Record<string, string>>
  /** Columns that go when a line has no room for all, the first one first. */
  readonly spare?: readonly string[]
  /** Lines are not longer: then the last column is cut, and then the widest. Absent: nothing is cut. */
  readonly width?: number | undefined
}

/**
 * A table as kubectl prints one: headings in upper case, left-aligned columns, no lines. Empty cells show
 * `-`, so that columns do not shift for awk. Control characters are made visible: a cell may hold what a
 * backend said.
 */
export function table(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  { dull = {}, spare = [], width }: TableView = {},
): string {
  const told = headings.flatMap((heading, i) => {
    const said =
      rows.length === 0 || !Object.hasOwn(dull, heading) || rows.some((row) => row[i] !== dull[heading])
    return said ? [i] : []
  })
  const all = [headings.map((each) => each.toUpperCase()), ...rows.map((row) => row.map(printable))]
  const natural = headings.map((_, i) => Math.max(...all.map((row) => row[i]?.length ?? 0)))
  const kept =
    width === undefined
      ? told
      : roomFor(
          told,
          natural,
          spare.map((each) => headings.indexOf(each)),
          width,
        )
  const cells = all.map((row) => kept.map((i) => row[i] ?? ''))
  const wanted = kept.map((i) => natural[i] ?? 0)
  const widths = width === undefined ? wanted : fitted(wanted, width)
  return cells
    .map((row) =>
      row
        .map((cell, column) => cut(cell, widths[column] ?? 0).padEnd(widths[column] ?? 0))
        .join(gap)
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('')
}

/** The columns that stay when as many of `spare` go as have to for the last one to say something. */
function roomFor(
  told: readonly number[],
  natural: readonly number[],
  spare: readonly number[],
  width: number,
): readonly number[] {
  let kept = told
  for (const column of spare) {
    const widths = kept.map((i) => natural[i] ?? 0)
    const last = Math.min(widths.pop() ?? 0, enough)
    if (widths.reduce((sum, each) => sum + each + gap.length, last) <= width) break
    kept = kept.filter((i) => i !== column)
  }
  return kept
}

/** Widths of columns that a line of `width` has room for, as far as columns can be narrow. */
function fitted(natural: readonly number[], width: number): readonly number[] {
  const widths = [...natural]
  let surplus = widths.reduce((sum, each) => sum + each, 0) + gap.length * (widths.length - 1) - width
  const last = widths.length - 1
  const first = Math.min(surplus, Math.max(0, (widths[last] ?? 0) - enough))
  if (first > 0) {
    widths[last] = (widths[last] ?? 0) - first
    surplus -= first
  }
  for (; surplus > 0; surplus--) {
    const widest = widths.indexOf(Math.max(...widths))
    if ((widths[widest] ?? 0) <= narrowest) break
    widths[widest] = (widths[widest] ?? 0) - 1
  }
  return widths
}

function cut(cell: string, width: number): string {
  return cell.length <= width ? cell : `${cell.slice(0, width - 1)}…`
}

function printable(cell: string): string {
  return cell === '' ? '-' : shown(cell)
}
