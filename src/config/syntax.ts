import type { Span } from './source.ts'

/** What the YAML parser says. */
export interface SyntaxFault {
  /** The parser's code, such as BAD_INDENT. */
  readonly code: string
  readonly message: string
  /** Offset into the text. */
  readonly at: number
}

/** What the user is told instead. */
export interface SyntaxAdvice {
  readonly span: Span
  readonly message: string
  readonly hint: string | null
}

/** Puts a YAML fault into words, with the cure for what people write in this file. */
export function advise(text: string, { code, message, at }: SyntaxFault): SyntaxAdvice {
  const here = (length: number) => ({ start: at, end: at + length })
  const found = variableAt(text, at) ?? addressAt(text, at)
  if (found !== undefined) {
    const written = text.slice(found.start, found.end)
    const inside = written.includes('$') ? ' inside { } and [ ]' : ''
    return { span: found, message: `\`${written}\` must be quoted${inside}`, hint: `write "${written}"` }
  }
  const slip = missingBlank(text, code, at)
  if (slip !== null) return slip
  switch (code) {
    case 'TAB_AS_INDENT':
      return { span: here(1), message: 'a tab indents this line', hint: 'YAML is indented with spaces' }
    case 'MULTIPLE_DOCS':
      return {
        span: here(3),
        message: 'a second YAML document begins here',
        hint: 'one file holds one: remove `---`',
      }
    case 'BLOCK_AS_IMPLICIT_KEY':
      return { span: here(1), message: 'two keys on one line', hint: 'quote a value that has `: ` in it' }
    case 'BAD_SCALAR_START':
      return { span: here(1), message: `a value cannot begin with \`${text[at]}\``, hint: 'put it in quotes' }
    case 'BAD_DQ_ESCAPE':
      return {
        span: here(2),
        message: 'unknown escape in "quotes"',
        hint: "use 'single quotes', or \\\\ for a backslash",
      }
    case 'TAG_RESOLVE_FAILED':
      return {
        span: here(1),
        message: 'tags (`!`) are not supported',
        hint: 'quote a value that begins with `!`',
      }
    case 'MULTILINE_IMPLICIT_KEY':
      return {
        span: here(1),
        message: 'a colon is missing',
        hint: 'write `key: value`, or `- value` for a list item',
      }
    case 'UNEXPECTED_TOKEN': {
      const surplus = /flow-(map|seq)-end/.exec(message)
      if (surplus !== null)
        return {
          span: here(1),
          message: `a \`${text[at]}\` too many`,
          hint: 'nothing is open that it closes',
        }
      if (!message.includes('scalar'))
        return { span: here(1), message: 'this is not valid YAML', hint: plainWords(message) }
      return { span: here(1), message: 'a comma is missing', hint: 'separate items by `, `' }
    }
    case 'MISSING_CHAR':
      return missing(text, message, at)
    case 'BAD_INDENT': {
      if (message.startsWith('Flow')) return unclosed(here(1))
      const start = at + (/^ */.exec(text.slice(at))?.[0].length ?? 0)
      const hint = 'begin in the same column as the lines that this belongs with'
      return { span: { start, end: start + 1 }, message: 'wrong indentation', hint }
    }
    default:
      return { span: here(1), message: 'this is not valid YAML', hint: plainWords(message) }
  }
}

/**
 * What a blank after `-` or `:` would make right, in the line of the fault or the one above, where YAML still
 * reads on.
 */
function missingBlank(text: string, code: string, at: number): SyntaxAdvice | null {
  const start = text.lastIndexOf('\n', at - 1) + 1
  const above = text.lastIndexOf('\n', start - 2) + 1
  for (const lineStart of start === above ? [start] : [start, above]) {
    const line = /[^\r\n]*/.exec(text.slice(lineStart, lineStart + maxLine))?.[0] ?? ''
    const item = /^( *)-(?=[^\s-])/.exec(line)
    if (item !== null) {
      const dash = lineStart + item[0].length - 1
      const message = 'a blank is missing after the `-` of a list item'
      return {
        span: { start: dash, end: dash + 1 },
        message,
        hint: `write "- ${shortened(line.trim().slice(1))}"`,
      }
    }
    const plain = code === 'MULTILINE_IMPLICIT_KEY' ? /^( *)([\w.]+):(?=\S)/.exec(line) : null
    const inFlow = code === 'MISSING_CHAR' ? /([{,] *)([a-zA-Z]+):(?=["'[{a-zA-Z])/.exec(line) : null
    const key = plain ?? inFlow
    if (key !== null) {
      const colon = lineStart + key.index + key[0].length - 1
      const message = 'a blank is missing after the colon'
      return {
        span: { start: colon, end: colon + 1 },
        message,
        hint: `write \`${key[2]}: \` and then the value`,
      }
    }
  }
  return null
}

/** The longest line that is looked at; longer ones are not a slip of the hand. */
const maxLine = 1000

function shortened(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text
}

function missing(text: string, message: string, at: number): SyntaxAdvice {
  const span = { start: at, end: at + 1 }
  if (message.includes('quote')) {
    const opened = text.lastIndexOf(message.includes('"') ? '"' : "'", at - 1)
    const start = opened === -1 ? at : opened
    return {
      span: { start, end: start + 1 },
      message: 'a quote is not closed',
      hint: 'close it where the text ends',
    }
  }
  return message.includes(' , ')
    ? { span, message: 'a comma is missing', hint: 'separate items by `, `' }
    : unclosed(span)
}

function unclosed(span: Span): SyntaxAdvice {
  return { span, message: 'a bracket is not closed', hint: 'a `{` or `[` before this has no `}` or `]`' }
}

/** `${NAME}` in a flow collection: to YAML, its brace begins a mapping. */
function variableAt(text: string, at: number): Span | undefined {
  if (text[at] !== '{' || text[at - 1] !== '$') return undefined
  // The whole value, as in 10.0.0.5:${PORT}: it is the value that must be quoted.
  let start = at - 1
  while (start > 0 && /[^\s,[\]{}"']/.test(text.charAt(start - 1))) start--
  const rest = /^\{[^}\n]*\}?[^\s,[\]{}]*/.exec(text.slice(at))?.[0] ?? ''
  return { start, end: at + rest.length }
}

/** `[::]:80`: to YAML, its bracket begins a list. */
function addressAt(text: string, at: number): Span | undefined {
  const lineStart = text.lastIndexOf('\n', at - 1) + 1
  const line = /[^\n]*/.exec(text.slice(lineStart))?.[0] ?? ''
  for (const match of line.matchAll(/(?<!["'])\[[0-9a-f:.]*:[0-9a-f:.]*\]:\d*/gi)) {
    const start = lineStart + match.index
    const end = start + match[0].length
    if (at >= start && at <= end) return { start, end }
  }
  return undefined
}

/** The parser's own words, with a small first letter to follow the carets. */
function plainWords(message: string): string {
  return message.charAt(0).toLowerCase() + message.slice(1)
}
