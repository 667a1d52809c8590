import {
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
import { expand } from './interpolate.ts'
import type { Problem } from './problem.ts'
import { type Parsed, resolve } from './resolve.ts'
import { lineNumber, problemAt, type Source, type Span } from './source.ts'
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
/** Parts after aliases are followed: nested aliases can multiply a short file without end. */
const maxParts = 200_000

/** Reads a configuration file (YAML 1.2). Reports every problem at once, except behind a syntax error. Never throws. */
export function parseConfig(text: string, options: ParseOptions): Parsed {
  const example = '`forward: { 80: 127.0.0.1:9080 }`'
  const { source, tree, problems } = parseTree(text, options, `write a line such as ${example}`)
  if (tree === null) return { kind: 'invalid', problems }
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

/** Reads any YAML 1.2, hence JSON, with the place of each part. `emptyHint`: what to write into an empty file. Never throws. */
export function parseTree(text: string, { file, env }: ParseOptions, emptyHint: string): ParsedTree {
  const source: Source = { file, text: text.replace(/^\ufeff/, ''), numbered: true }
  const top: Span = { start: 0, end: source.text.length }
  const invalid = (span: Span, message: string, hint: string | null): ParsedTree => ({
    source,
    tree: null,
    problems: [problemAt(source, span, message, hint)],
  })
  if (text.length > maxTextLength) return invalid(top, 'the file is larger than 4 MiB', null)

  // Two equal keys are found by the reader, which names the first one.
  const document = parseDocument(source.text, { prettyErrors: false, uniqueKeys: false, logLevel: 'error' })
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
  return { source, ...new Reader(source, env, document).read(root) }
}

/** Makes a Tree of YAML nodes, replaces variables, follows aliases. */
class Reader {
  readonly #source: Source
  readonly #env: ParseOptions['env']
  readonly #document: Document
  readonly #problems: Problem[] = []
  /** Nodes being read: an alias to one of them never ends. */
  readonly #open = new Set<Node>()
  #parts = 0

  constructor(source: Source, env: ParseOptions['env'], document: Document) {
    this.#source = source
    this.#env = env
    this.#document = document
  }

  read(root: Node): { tree: Tree; problems: readonly Problem[] } {
    const tree = this.#node(root)
    return { tree, problems: this.#problems }
  }

  #node(node: Node): Tree {
    const span = spanOf(node)
    this.#parts++
    if (this.#parts === maxParts) this.#report(span, 'the file is too large with its aliases followed', null)
    if (this.#parts >= maxParts) return { kind: 'broken', span }
    if (isAlias(node)) {
      const target = node.resolve(this.#document)
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
        const line = lineNumber(this.#source.text, first.key.start)
        this.#report(span, `\`${name}\` is given twice`, `the first one is on line ${line}`)
      } else entries.set(name, { key: span, value: this.#child(pair.value, span) })
    }
    for (const [name, entry] of merged) if (!entries.has(name)) entries.set(name, entry)
    return entries
  }

  /** `<<: *anchor` or a list of them: keys to start from. The first mention wins, and the mapping's own keys over all. */
  #merge(pair: Pair, span: Span, merged: Map<string, Entry>): void {
    const value = this.#child(pair.value, span)
    for (const base of value.kind === 'list' ? value.items : [value]) {
      if (base.kind === 'mapping') {
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
    this.#problems.push(problemAt(this.#source, span, message, hint))
  }
}

function isNode(value: unknown): value is Node {
  return isMap(value) || isSeq(value) || isScalar(value) || isAlias(value)
}

function spanOf(node: Node): Span {
  const [start = 0, end = 0] = node.range ?? []
  return { start, end }
}
