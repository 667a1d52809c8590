import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  parseDocument,
  type YAMLMap,
} from 'yaml'
import { aliasesOf } from './aliases.ts'
import { expand } from './interpolate.ts'
import { firstOf, type Problem } from './problem.ts'
import { type Parsed, resolve } from './resolve.ts'
import { fileSource, lineNumber, problemAt, type Source, type Span } from './source.ts'
import { advise } from './syntax.ts'
import type { Entry, Tree } from './tree.ts'

export interface ParseOptions {
  /** The file's name for messages. */
  readonly file: string
  /** What `${NAME}` stands for. */
  readonly env: Readonly<Record<string, string | undefined>>
}

/** 4096 endpoints in their longest form take less than 1 MiB. */
const maxTextLength = 4 * 1024 * 1024
/**
 * Line ends and other characters that begin something, of which the YAML parser makes its tokens: 4096
 * endpoints in their longest form have 60,000. It takes up to 9 µs for each, so 4 MiB of them would block the
 * program for half a minute.
 */
const maxMarks = 90_000
const mark = /\n|[,{}[\]"'&*!%]|[:?-](?=\s)/g
/** The deepest part of a configuration is at 7. */
const maxDepth = 32
/** As many as somebody writes by hand. */
const maxAliases = 100
/** Of these the first hundred are shown, from top to bottom. */
const maxReported = 10_000
/** Parts after aliases are followed: nested aliases can multiply a short file without end. */
const maxParts = 100_000

/**
 * Reads a configuration file (YAML 1.2). Reports every problem at once, except behind a syntax error. Never
 * throws.
 */
export function parseConfig(text: string, options: ParseOptions): Parsed {
  const example = '`forward: { 80: 127.0.0.1:9080 }`'
  const { source, tree, problems } = parseTree(text, options, `write a line such as ${example}`)
  if (tree === null) return { kind: 'invalid', problems: firstOf(problems) }
  if (tree.kind === 'mapping') return resolve(source, tree, problems)
  const hint = `write \`key: value\` lines such as ${example}`
  return { kind: 'invalid', problems: [problemAt(source, tree.span, 'the file must be a mapping', hint)] }
}

export interface ParsedTree {
  readonly source: Source
  /** null: nothing could be read. */
  readonly tree: Tree | null
  readonly problems: readonly Problem[]
}

/**
 * Reads any YAML 1.2, hence JSON, with the place of each part. `emptyHint`: what to write into an empty file.
 * Never throws.
 */
export function parseTree(text: string, { file, env }: ParseOptions, emptyHint: string): ParsedTree {
  if (text.length > maxTextLength) return tooLarge(file)
  const source = fileSource(file, text.replace(/^\ufeff/, ''))
  const top: Span = { start: 0, end: source.text.length }
  const invalid = (span: Span, message: string, hint: string | null): ParsedTree => ({
    source,
    tree: null,
    problems: [problemAt(source, span, message, hint)],
  })
  const excess = markAt(source.text, maxMarks)
  if (excess !== null) {
    const hint = `more than ${maxMarks} lines, brackets, commas, quotes and colons: nothing that this program reads has so many`
    return invalid({ start: excess, end: excess + 1 }, 'the file has too many parts', hint)
  }

  // Two equal keys are found by the reader, which names the first one.
  const document = parseYaml(source.text)
  if (document === null) return invalid(top, 'the file is nested too deep', null)
  // What follows the first fault is mostly its echo.
  const fault = document.errors[0] ?? document.warnings[0]
  if (fault !== undefined) {
    const { span, message, hint } = advise(source.text, {
      code: fault.code,
      message: fault.message,
      at: fault.pos[0],
    })
    return invalid(span, message, hint)
  }
  if (document.directives?.yaml.explicit && document.directives.yaml.version !== '1.2') {
    return invalid(top, 'only YAML 1.2 is supported', 'remove the `%YAML` line')
  }
  const root = document.contents
  if (root === null || (isScalar(root) && root.value === null))
    return invalid(top, 'the file is empty', emptyHint)
  return { source, ...new Reader(source, env).read(root) }
}

function tooLarge(file: string): ParsedTree {
  const place = { line: null, column: null, length: 1, sourceLine: null, hint: null }
  const source = fileSource(file, '')
  return { source, tree: null, problems: [{ message: 'the file is larger than 4 MiB', file, ...place }] }
}

/** Where the first mark is that is one too many; null: nowhere. */
function markAt(text: string, most: number): number | null {
  let marks = 0
  for (const { index } of text.matchAll(mark)) if (marks++ === most) return index
  return null
}

/** null: the parser's stack does not suffice. */
function parseYaml(text: string): Document | null {
  try {
    return parseDocument(text, { prettyErrors: false, uniqueKeys: false, logLevel: 'error' })
  } catch (error) {
    if (error instanceof RangeError) return null
    throw error
  }
}

/** Makes a Tree of YAML nodes, replaces variables, follows aliases. */
class Reader {
  readonly #source: Source
  readonly #env: ParseOptions['env']
  readonly #problems: Problem[] = []
  /** Nodes being read: an alias to one of them never ends. */
  readonly #open = new Set<Node>()
  #targets: ReadonlyMap<Alias, Node> = new Map()
  #parts = 0

  constructor(source: Source, env: ParseOptions['env']) {
    this.#source = source
    this.#env = env
  }

  read(root: Node): { tree: Tree | null; problems: readonly Problem[] } {
    const { targets, surplus } = aliasesOf(root, maxAliases)
    if (surplus !== null) {
      const hint = 'write the parts out, or use fewer `*`'
      this.#report(spanOf(surplus), `there are more than ${maxAliases} aliases`, hint)
      return { tree: null, problems: this.#problems }
    }
    this.#targets = targets
    const tree = this.#node(root)
    return { tree, problems: this.#problems }
  }

  #node(node: Node): Tree {
    const span = spanOf(node)
    if (this.#isTooMuch(1, span)) return { kind: 'broken', span }
    if (this.#open.size >= maxDepth) return this.#broken(span, 'the file is nested too deep', null)
    if (isAlias(node)) {
      const target = this.#targets.get(node)
      if (target === undefined)
        return this.#broken(span, `there is no anchor \`&${node.source}\` above`, null)
      if (this.#open.has(target)) return this.#broken(span, `\`*${node.source}\` is part of itself`, null)
      return this.#node(target)
    }
    this.#open.add(node)
    const tree = this.#value(node, span)
    this.#open.delete(node)
    return tree
  }

  /** Counts `parts` more, and says once that there are too many. */
  #isTooMuch(parts: number, span: Span): boolean {
    const before = this.#parts
    this.#parts += parts
    if (this.#parts < maxParts) return false
    if (before < maxParts) this.#report(span, 'the file is too large with its aliases followed', null)
    return true
  }

  #value(node: Node, span: Span): Tree {
    if (isMap(node)) return { kind: 'mapping', span, entries: this.#entries(node) }
    if (isSeq(node)) {
      return { kind: 'list', span, items: node.items.map((item) => this.#child(item, span)) }
    }
    const value: unknown = isScalar(node) ? node.value : null
    if (typeof value === 'string') return this.#text(value, span)
    const known = typeof value === 'number' || typeof value === 'boolean'
    return { kind: 'scalar', span, value: known ? value : null, references: [] }
  }

  #child(item: unknown, span: Span): Tree {
    return isNode(item) ? this.#node(item) : { kind: 'scalar', span, value: null, references: [] }
  }

  #entries(map: YAMLMap): Map<string, Entry> {
    const entries = new Map<string, Entry>()
    const merged = new Map<string, Entry>()
    for (const pair of map.items) {
      if (this.#isTooMuch(1, spanOf(map))) break
      const { key } = pair
      if (!isScalar(key)) {
        this.#report(isNode(key) ? spanOf(key) : spanOf(map), 'a key must be plain text', null)
        continue
      }
      const span = spanOf(key)
      const name = key.source ?? String(key.value)
      const first = entries.get(name)
      if (name === '<<' && key.type === 'PLAIN') this.#merge(pair, span, merged)
      else if (name === '__proto__') this.#report(span, 'unknown key `__proto__`', null)
      else if (first !== undefined) {
        const line = lineNumber(this.#source, first.key.start)
        this.#report(span, `\`${name}\` is given twice`, `the first one is on line ${line}`)
      } else entries.set(name, { key: span, value: this.#child(pair.value, span) })
    }
    for (const [name, entry] of merged) if (!entries.has(name)) entries.set(name, entry)
    return entries
  }

  /**
   * `<<: *anchor` or a list of them: keys to start from. The first mention wins, and the mapping's own keys
   * over all.
   */
  #merge(pair: Pair, span: Span, merged: Map<string, Entry>): void {
    const value = this.#child(pair.value, span)
    for (const base of value.kind === 'list' ? value.items : [value]) {
      if (base.kind === 'mapping') {
        if (this.#isTooMuch(base.entries.size, span)) return
        for (const [name, entry] of base.entries) if (!merged.has(name)) merged.set(name, entry)
      } else if (base.kind !== 'broken') this.#report(span, '`<<` needs a mapping', 'as in `<<: *anchor`')
    }
  }

  #text(written: string, span: Span): Tree {
    const { text, references, failures } = expand(written, this.#env)
    for (const { part, message, hint } of failures) {
      const at = this.#source.text.indexOf(part, span.start)
      const inside = at !== -1 && at < span.end
      this.#report(inside ? { start: at, end: at + part.length } : span, message, hint)
    }
    return failures.length > 0 ? { kind: 'broken', span } : { kind: 'scalar', span, value: text, references }
  }

  #broken(span: Span, message: string, hint: string | null): Tree {
    this.#report(span, message, hint)
    return { kind: 'broken', span }
  }

  #report(span: Span, message: string, hint: string | null): void {
    if (this.#problems.length < maxReported) this.#problems.push(problemAt(this.#source, span, message, hint))
  }
}

function isNode(value: unknown): value is Node {
  return isMap(value) || isSeq(value) || isScalar(value) || isAlias(value)
}

function spanOf(node: Node): Span {
  const [start = 0, end = 0] = node.range ?? []
  return { start, end }
}
