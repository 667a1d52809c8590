import { columnsOf } from './columns.ts'

/**
 * One thing that is wrong with a configuration, and where. Never holds the value of an environment variable.
 */
export interface Problem {
  /** Names the thing and the expectation. One line. */
  readonly message: string
  /** A file's name as the user gave it, or `command line`. */
  readonly file: string
  /** From 1; null: the source has no lines (the command line, a file that cannot be read). */
  readonly line: number | null
  /** From 1, in UTF-16 units; null: the problem has no position. */
  readonly column: number | null
  /** Units from `column` to underline: at least 1, not beyond the end of the line. */
  readonly length: number
  /** The line as written; null: there is nothing to show. */
  readonly sourceLine: string | null
  /** What to do about it; null: the message says it all. */
  readonly hint: string | null
}

/** After fixing this many, a user runs the check again. */
export const maxProblems = 100

/** The first of them, and a last one that says how many there are besides. */
export function firstOf(problems: readonly Problem[]): readonly Problem[] {
  const [first] = problems
  const more = problems.length - maxProblems
  if (more <= 0 || first === undefined) return problems
  const rest = { line: null, column: null, length: 1, sourceLine: null, hint: null }
  return [...problems.slice(0, maxProblems), { message: `and ${more} more`, file: first.file, ...rest }]
}

/** Columns of a long line that are shown, and how many of them before the place. */
const maxColumns = 160
const columnsBefore = 60
/** A message or a hint may quote what somebody wrote: a key can be as long as the file. */
const maxWords = 500

/**
 * The text a user sees, several lines without a newline at the end. Control characters of the source are
 * replaced, so that a file cannot drive the reader's terminal.
 */
export function renderProblem(problem: Problem, severity: 'error' | 'warning' = 'error'): string {
  const { line, column, hint } = problem
  const { sourceLine, at, length } = windowOf(problem)
  const head = `${severity}: ${printable(cut(problem.message))}`
  const number = line === null ? '' : String(line)
  const margin = ' '.repeat(Math.max(1, number.length) + 1)
  const place = [problem.file, line, column].filter((part) => part !== null)
  const arrow = `${margin}--> ${printable(line === null ? problem.file : place.join(':'))}`
  if (sourceLine === null || column === null) {
    return [head, arrow, ...(hint === null ? [] : [`${margin} = ${printable(cut(hint))}`])].join('\n')
  }
  // Tabs stay: they are as wide above the carets as below. Counted is what is printed: a replaced mark has a
  // column.
  const before = printable(sourceLine.slice(0, at))
  const indent = before.replace(/[^\t]+/g, (text) => ' '.repeat(columnsOf(text)))
  const carets = '^'.repeat(Math.max(1, columnsOf(printable(sourceLine.slice(at, at + length)))))
  const tail = hint === null ? '' : ` ${printable(cut(hint))}`
  return [
    head,
    arrow,
    `${margin} |`,
    ` ${number.padStart(margin.length - 1)} | ${printable(sourceLine)}`,
    `${margin} | ${indent}${carets}${tail}`,
  ]
    .map((line) => line.trimEnd())
    .join('\n')
}

/** What is shown of the line: all of it, or the part around the place. */
function windowOf({ sourceLine, column, length }: Problem): {
  sourceLine: string | null
  at: number
  length: number
} {
  const at = (column ?? 1) - 1
  if (sourceLine === null || sourceLine.length <= maxColumns) return { sourceLine, at, length }
  const from = Math.max(0, at - columnsBefore)
  const to = from + maxColumns
  const shown = `${from > 0 ? '…' : ''}${sourceLine.slice(from, to)}${to < sourceLine.length ? '…' : ''}`
  const moved = at - from + (from > 0 ? 1 : 0)
  return { sourceLine: shown, at: moved, length: Math.min(length, shown.length - moved) }
}

function cut(text: string): string {
  return text.length > maxWords ? `${text.slice(0, maxWords)}…` : text
}

function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Bidi_Control}]/gu, (character) =>
    character === '\t' ? character : '\ufffd',
  )
}
