import type { Problem } from './problem.ts'

/** A text that a configuration was read from. */
export interface Source {
  /** As shown to the user. */
  readonly file: string
  readonly text: string
  /** Offsets at which lines begin; null: one line without a number, such as a command line. */
  readonly lines: readonly number[] | null
  /** Behind the last thing that is not blank. */
  readonly end: number
}

/** Offsets into a source's text, in UTF-16 units; `end` is exclusive. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** A file's text. Its lines are counted once: a file can have as many problems as lines. */
export function fileSource(file: string, text: string): Source {
  const lines = [0]
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) lines.push(at + 1)
  return { file, text, lines, end: text.trimEnd().length }
}

/** A text of one line that has no number. */
export function lineSource(file: string, text: string): Source {
  return { file, text, lines: null, end: text.trimEnd().length }
}

/** A problem that underlines `span`, or the part of it that is on its first line. */
export function problemAt(source: Source, span: Span, message: string, hint: string | null): Problem {
  const { text, lines } = source
  // The end of the text belongs to the last line that holds something: that is where the eye should go.
  const start = Math.min(span.start, source.end)
  const line = lineNumber(source, start)
  const lineStart = lines?.[line - 1] ?? 0
  const nextLine = lines?.[line]
  const sourceLine = text
    .slice(lineStart, nextLine === undefined ? text.length : nextLine - 1)
    .replace(/\r$/, '')
  const shown = sourceLine.slice(start - lineStart, Math.max(start, span.end) - lineStart).trimEnd()
  return {
    message,
    file: source.file,
    line: lines === null ? null : line,
    column: start - lineStart + 1,
    length: Math.max(1, shown.length),
    sourceLine,
    hint,
  }
}

/** Number of the line that holds `offset`, from 1. */
export function lineNumber({ lines }: Source, offset: number): number {
  let low = 0
  let high = lines?.length ?? 1
  // Invariant: line `low` begins at or before the offset, line `high` behind it.
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if ((lines?.[middle] ?? 0) <= offset) low = middle
    else high = middle
  }
  return low + 1
}
