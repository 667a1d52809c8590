import { check, warn } from './check.ts'
import type { Config } from './config.ts'
import { draftOf } from './draft.ts'
import { explain, type Finding } from './issue.ts'
import { firstOf, type Problem } from './problem.ts'
import { type Document, schema } from './schema.ts'
import { problemAt, type Source, type Span } from './source.ts'
import { standInFor } from './stand-in.ts'
import { type Mapping, type Path, place, plain, prune, type Tree } from './tree.ts'
import type { Written } from './written.ts'

/** A configuration, or everything that is wrong with it, from top to bottom. */
export type Parsed =
  | {
      readonly kind: 'ok'
      readonly config: Config
      readonly warnings: readonly Problem[]
      readonly written: Written
    }
  | { readonly kind: 'invalid'; readonly problems: readonly Problem[] }

/** Turns a tree into a Config. `earlier`: what was wrong with the text that the tree was made from. */
export function resolve(source: Source, written: Mapping, earlier: readonly Problem[]): Parsed {
  const { document, tree, findings: misread, standIns } = read(written)
  const draft = document && draftOf(document)
  const problemOf = ({ span, message, hint }: Finding) => problemAt(source, span, message, hint)
  const findings = draft === undefined ? [] : check({ draft, tree, written })
  const all = [...misread, ...findings.filter(({ span }) => !standIns.has(span))]
  const problems = sorted([...earlier, ...all.map(problemOf)])
  if (draft === undefined || problems.length > 0) return { kind: 'invalid', problems: firstOf(problems) }
  const warnings = sorted(warn({ draft, tree, written }).map(problemOf))
  return { kind: 'ok', config: draft.config, warnings, written: { text: source.text, tree: written } }
}

/** Each copies the mappings above it, and of more than a hundred problems the rest is not shown. */
const maxStandIns = 200

interface Read {
  /** undefined: nothing of it could be read. */
  readonly document: Document | undefined
  /** What the document was read from. */
  readonly tree: Tree
  readonly findings: readonly Finding[]
  /** The places of values that nobody wrote: what the checks find there is an echo. */
  readonly standIns: ReadonlySet<Span>
}

/**
 * Reads fields one by one. Those with problems are left out, or replaced where their mapping needs them, and
 * the rest is read again, so that the checks that need a whole document report what is wrong there in the
 * same run.
 */
function read(written: Mapping): Read {
  let tree: Tree = written
  let findings: Finding[] | undefined
  const standIns = new Set<Span>()
  for (;;) {
    const result = schema.safeParse(plain(tree))
    if (result.success) return { document: result.data, tree, findings: findings ?? [], standIns }
    const explained = explain(tree, result.error.issues)
    // Later rounds only miss what earlier ones have left out.
    findings ??= explained.flatMap(({ finding }) => finding ?? [])
    const drops: Path[] = []
    for (const { drop, field } of explained) {
      const isWanted = field?.is === 'missing' && drop.length === field.path.length - 1
      const standIn = isWanted && standIns.size < maxStandIns ? standInFor(field.path) : null
      if (field === null || standIn === null) {
        drops.push(drop)
        continue
      }
      standIns.add(standIn.span)
      tree = place(tree, field.path, standIn) // before anything is left out, which moves indexes
    }
    // Invariant: each round leaves something out or puts something right, so the loop ends.
    if (explained.length === 0 || drops.some((drop) => drop.length === 0))
      return { document: undefined, tree, findings, standIns }
    tree = prune(tree, drops)
  }
}

function sorted(problems: readonly Problem[]): Problem[] {
  const position = ({ line, column }: Problem) => (line ?? 0) * 1e7 + (column ?? 0)
  const unique = new Map(problems.map((problem) => [`${position(problem)} ${problem.message}`, problem]))
  return [...unique.values()].sort((a, b) => position(a) - position(b))
}
