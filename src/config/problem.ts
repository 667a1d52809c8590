/** One thing that is wrong with a configuration, and where. Never holds the value of an environment variable. */
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

/**
 * The text a user sees, several lines without a newline at the end. Control characters of the source are replaced, so
 * that a file cannot drive the reader's terminal.
 */
export function renderProblem(problem: Problem, severity: 'error' | 'warning' = 'error'): string {
  const { line, column, sourceLine, hint } = problem
  const head = `${severity}: ${printable(problem.message)}`
  const number = line === null ? '' : String(line)
  const margin = ' '.repeat(Math.max(1, number.length) + 1)
  const place = [problem.file, line, column].filter((part) => part !== null)
  const arrow = `${margin}--> ${printable(line === null ? problem.file : place.join(':'))}`
  if (sourceLine === null || column === null) {
    return [head, arrow, ...(hint === null ? [] : [`${margin} = ${printable(hint)}`])].join('\n')
  }
  // Tabs stay: they are as wide above the carets as below.
  const indent = sourceLine.slice(0, column - 1).replace(/[^\t]/g, ' ')
  const carets = '^'.repeat(problem.length)
  const tail = hint === null ? '' : ` ${printable(hint)}`
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

function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Bidi_Control}]/gu, (character) =>
    character === '\t' ? character : '\ufffd',
  )
}
