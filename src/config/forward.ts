import type { Problem } from './problem.ts'
import { type Parsed, resolve } from './resolve.ts'
import { lineSource, problemAt, type Span } from './source.ts'
import type { Entry, Tree } from './tree.ts'

/**
 * Reads the command line's form, `80=127.0.0.1:9080 443=10.0.0.5:9443,10.0.0.6:9443`: what is listened on,
 * then its endpoints. Everything else has its default. Never throws.
 */
export function parseForwards(args: readonly string[]): Parsed {
  const source = lineSource('command line', args.join(' '))
  const all: Span = { start: 0, end: source.text.length }
  if (args.length === 0) {
    const problem = problemAt(
      source,
      all,
      'there is nothing to forward',
      'for example: spliceway forward 80=127.0.0.1:9080',
    )
    return { kind: 'invalid', problems: [{ ...problem, column: null, sourceLine: null }] }
  }
  const entries = new Map<string, Entry>()
  const problems: Problem[] = []
  let start = 0
  for (const arg of args) {
    const span = { start, end: start + arg.length }
    start = span.end + 1
    const equals = arg.indexOf('=')
    const key = arg.slice(0, equals)
    if (equals === -1) {
      problems.push(
        problemAt(
          source,
          span,
          `\`${arg}\` is not a forward`,
          'write PORT=HOST:PORT, as in 80=127.0.0.1:9080',
        ),
      )
    } else if (entries.has(key)) {
      problems.push(
        problemAt(
          source,
          span,
          `\`${key}\` is forwarded twice`,
          'separate endpoints by commas: 80=a:9080,b:9080',
        ),
      )
    } else {
      const keySpan = { start: span.start, end: span.start + equals }
      entries.set(key, { key: keySpan, value: endpoints(arg.slice(equals + 1), keySpan.end + 1) })
    }
  }
  if (entries.size === 0) return { kind: 'invalid', problems }
  const forward: Tree = { kind: 'mapping', span: all, entries }
  const root: Tree = {
    kind: 'mapping',
    span: all,
    entries: new Map([['forward', { key: all, value: forward }]]),
  }
  return resolve(source, root, problems)
}

/** One endpoint stands for itself, so that a message says forward.80 and not forward.80[0]. */
function endpoints(text: string, start: number): Tree {
  const items: Tree[] = []
  let at = start
  for (const part of text.split(',')) {
    items.push({ kind: 'scalar', span: { start: at, end: at + part.length }, value: part, references: [] })
    at += part.length + 1
  }
  const [first] = items
  if (first !== undefined && items.length === 1) return first
  return { kind: 'list', span: { start, end: start + text.length }, items }
}
