import type { Problem } from './problem.ts'

/** A text that a configuration was read from. */
export interface Source {
  /** As shown to the user. */
  readonly file: string
  readonly text: string
  /** false: one line without a number, such as a command line. */
  readonly numbered: boolean
}

/** Offsets into a source's text, in UTF-16 units; `end` is exclusive. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** A problem that underlines `span`, or the part of it that is on its first line. */
export function problemAt(source: Source, span: Span, message: string, hint: string | null): Problem {
  const { text } = source
  // The end of the text belongs to the last line that holds something: that is where the eye should go.
  const start = Math.min(span.start, text.trimEnd().length)
  const lineStart = text.lastIndexOf('\n', start - 1) + 1
  const newline = text.indexOf('\n', start)
  const sourceLine = text.slice(lineStart, newline === -1 ? text.length : newline).replace(/\r$/, '')
  const shown = sourceLine.slice(start - lineStart, Math.max(start, span.end) - lineStart).trimEnd()
  return {
    message,
    file: source.file,
    line: source.numbered ? lineNumber(text, start) : null,
    column: start - lineStart + 1,
    length: Math.max(1, shown.length),
    sourceLine,
    hint,
  }
}

/** Number of the line that holds `offset`, from 1. */
export function lineNumber(text: string, offset: number): number {
  let line = 1
  for (let at = text.indexOf('\n'); at !== -1 && at < offset; at = text.indexOf('\n', at + 1)) line++
  return line
}
