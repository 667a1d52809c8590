import { build } from './build.ts'
import { check, warn } from './check.ts'
import type { Config } from './config.ts'
import { explain, type Finding } from './issue.ts'
import { firstOf, type Problem } from './problem.ts'
import { type Document, schema } from './schema.ts'
import { problemAt, type Source } from './source.ts'
import { type Mapping, type Path, plain, prune, type Tree } from './tree.ts'

/** A configuration, or everything that is wrong with it, from top to bottom. */
export type Parsed =
  | { readonly kind: 'ok'; readonly config: Config; readonly warnings: readonly Problem[] }
  | { readonly kind: 'invalid'; readonly problems: readonly Problem[] }

/** Turns a tree into a Config. `earlier`: what was wrong with the text that the tree was made from. */
export function resolve(source: Source, written: Mapping, earlier: readonly Problem[]): Parsed {
  const { document, tree, findings } = read(written)
  const draft = document && build(document)
  const problemOf = ({ span, message, hint }: Finding) => problemAt(source, span, message, hint)
  const all = draft === undefined ? findings : [...findings, ...check({ draft, tree, written })]
  const problems = sorted([...earlier, ...all.map(problemOf)])
  if (draft === undefined || problems.length > 0) return { kind: 'invalid', problems: firstOf(problems) }
  return { kind: 'ok', config: draft.config, warnings: sorted(warn({ draft, tree, written }).map(problemOf)) }
}

interface Read {
  /** undefined: nothing could be read. */
  readonly document: Document | undefined
  /** What the document was read from. */
  readonly tree: Tree
  readonly findings: readonly Finding[]
}

/**
 * Reads fields one by one. Those with problems are left out, and the rest is read again, so that the checks that need
 * a whole document report what is wrong there in the same run.
 */
function read(written: Mapping): Read {
  let tree: Tree = written
  let findings: Finding[] | undefined
  for (;;) {
    const result = schema.safeParse(plain(tree))
    if (result.success) return { document: result.data, tree, findings: findings ?? [] }
    const explained = explain(tree, result.error.issues)
    // Later rounds only miss what earlier ones have left out.
    findings ??= explained.flatMap(({ finding }) => finding ?? [])
    const drops: Path[] = explained.map(({ drop }) => drop)
    // Invariant: each round leaves something out, so the loop ends.
    if (drops.length === 0 || drops.some((drop) => drop.length === 0))
      return { document: undefined, tree, findings }
    tree = prune(tree, drops)
  }
}

function sorted(problems: readonly Problem[]): Problem[] {
  const position = ({ line, column }: Problem) => (line ?? 0) * 1e7 + (column ?? 0)
  const unique = new Map(problems.map((problem) => [`${position(problem)} ${problem.message}`, problem]))
  return [...unique.values()].sort((a, b) => position(a) - position(b))
}
