/** Between columns, as kubectl has it. */
const gap = '   '

/**
 * A table as kubectl prints one: headings in upper case, left-aligned columns, no lines. Empty cells show
 * `-`, so that columns do not shift for awk. Control characters are made visible: a cell may hold what a
 * backend said.
 */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [headings.map((each) => each.toUpperCase()), ...rows.map((row) => row.map(printable))]
  const widths = headings.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  return cells
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join(gap)
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('')
}

function printable(cell: string): string {
  return cell === '' ? '-' : cell.replace(/\p{Cc}/gu, '·')
}
