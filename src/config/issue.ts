import type { z } from 'zod'
import type { Span } from './source.ts'
import { suggest } from './suggest.ts'
import { find, type Path, type Place, pathText, type Tree } from './tree.ts'

/** What is wrong with a part of the configuration. */
export interface Finding {
  readonly span: Span
  readonly message: string
  readonly hint: string | null
}

/** An issue of the schema in the user's words. */
export interface Explained {
  /** null: the part's problem has been reported already. */
  readonly finding: Finding | null
  /** The part to leave out when looking for further problems. */
  readonly drop: Path
  /** The field that is missing, or that a misspelt key stands for; null: neither. */
  readonly field: { readonly path: Path; readonly is: 'missing' | 'misspelt' } | null
}

/** Searching for the word that was meant takes time, and only the first hundred problems are shown anyway. */
const maxSuggestions = 1000

/** Puts the schema's issues with `root` into words. */
export function explain(root: Tree, issues: readonly z.core.$ZodIssue[]): Explained[] {
  let unknown = 0
  const all = issues
    .flatMap((issue) => flatten(root, issue, []))
    .flatMap(({ issue, path }) =>
      issue.code === 'unrecognized_keys'
        ? issue.keys.map((key) => {
            const known = unknown++ < maxSuggestions ? issue.message.split(' ') : []
            return unknownKey(root, [...path, key], known)
          })
        : [badValue(root, path, issue)],
    )
  const misspelt = new Set(
    all.map(({ field }) => (field?.is === 'misspelt' ? JSON.stringify(field.path) : '')),
  )
  // `adress` is reported as misspelt; that `address` is therefore missing is not reported as well.
  return all.map((one) =>
    one.field?.is === 'missing' && misspelt.has(JSON.stringify(one.field.path))
      ? { ...one, finding: null }
      : one,
  )
}

/**
 * A finding at a list item or value. Where the value came from a variable the hint is replaced, because it
 * might quote the value.
 */
export function findingAt(found: Place, message: string, hint: string | null): Finding {
  const { tree } = found
  if (tree.kind !== 'scalar' || tree.references.length === 0) return { span: tree.span, message, hint }
  const references = tree.references.map((reference) => `\`${reference}\``).join(' and ')
  return { span: tree.span, message, hint: `the value of ${references} is not shown` }
}

interface Placed {
  readonly issue: z.core.$ZodIssue
  readonly path: Path
}

/**
 * Every union of the schema is a scalar form and a mapping form, in this order: the written value says which
 * was meant.
 */
function flatten(root: Tree, issue: z.core.$ZodIssue, base: Path): Placed[] {
  const path = [...base, ...issue.path.filter((step) => typeof step !== 'symbol')]
  if (issue.code !== 'invalid_union') return [{ issue, path }]
  const form = find(root, path).tree.kind === 'mapping' ? 1 : 0
  return (issue.errors[form] ?? []).flatMap((inner) => flatten(root, inner, path))
}

function unknownKey(root: Tree, path: Path, known: readonly string[]): Explained {
  const found = find(root, path)
  const key = String(path.at(-1))
  const where = path.length === 1 ? 'at the top level' : `in ${pathText(path.slice(0, -1))}`
  const span = found.key ?? found.tree.span
  const message = `unknown key \`${key}\` ${where}`
  const meant = suggest(key, known)
  const suggestion = meant === undefined ? `known keys: ${known.join(', ')}` : `did you mean \`${meant}\`?`
  return {
    finding: { span, message, hint: missingSpace(found, key) ?? suggestion },
    drop: path,
    field: meant === undefined ? null : { path: [...path.slice(0, -1), meant], is: 'misspelt' },
  }
}

function badValue(root: Tree, path: Path, issue: z.core.$ZodIssue): Explained {
  const found = find(root, path)
  const { tree } = found
  const drop = found.path
  if (tree.kind === 'broken') return { finding: null, drop, field: null }
  const name = pathText(found.path)
  if (tree.kind === 'mapping' && found.path.length < path.length) {
    const key = path[found.path.length]
    const finding = { span: tree.span, message: `${name} has no \`${key}\``, hint: null }
    return { finding, drop, field: { path, is: 'missing' } }
  }
  if (tree.kind === 'scalar' && tree.value === null) {
    const hint = missingSpace(found, String(found.path.at(-1))) ?? 'give it a value, or leave it out'
    return {
      finding: { span: found.key ?? tree.span, message: `${name} has no value`, hint },
      drop,
      field: null,
    }
  }
  const { message, hint } = isDashed(tree, issue) ? dashed : phrase(issue)
  return { finding: findingAt(found, `${name} ${message}`, hint), drop, field: null }
}

/** Lines that each begin with `-a`, without a blank, are not a list to YAML but one text. */
function isDashed(tree: Tree, issue: z.core.$ZodIssue): boolean {
  const wantsList = issue.code === 'invalid_type' && issue.expected === 'array'
  return wantsList && tree.kind === 'scalar' && /^-\S/.test(String(tree.value))
}

const dashed = { message: 'must be a list', hint: 'a blank is missing after each `-`' }

function phrase(issue: z.core.$ZodIssue): { message: string; hint: string | null } {
  if (issue.code === 'too_small') return { message: 'is empty', hint: 'give at least one' }
  if (issue.code === 'invalid_type') {
    return issue.expected === 'array'
      ? { message: 'must be a list', hint: 'write [a, b], or one `- a` a line' }
      : { message: 'must be a mapping', hint: 'write `key: value` pairs' }
  }
  const [message = '', hint = ''] = issue.message.split('\n')
  return { message, hint: hint === '' ? null : hint }
}

/** To YAML `{80:127.0.0.1:9080}` is a key without a value. */
function missingSpace(found: Place, key: string): string | null {
  const match = /^([^:]+):(.+)$/.exec(key)
  const empty = found.tree.kind === 'scalar' && found.tree.value === null
  return match !== null && empty ? `write a space after the colon: ${match[1]}: ${match[2]}` : null
}
