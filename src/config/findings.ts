import type { Draft, ListenerDraft } from './draft.ts'
import type { Finding } from './issue.ts'
import { findingAt } from './issue.ts'
import { find, type Path, type Place, type Tree } from './tree.ts'

/** What checks look at. */
export interface Subject {
  /** As far as it could be read: parts with problems of their own are left out. */
  readonly draft: Draft
  /** What the draft was built from: shows where things stand. */
  readonly tree: Tree
  /** The whole tree, with the parts that were left out. */
  readonly written: Tree
}

/** A finding about what a listener listens on: a forward's key, or the `listen` of the long form. */
export function listenerFinding(tree: Tree, { at }: ListenerDraft, message: string, hint: string): Finding {
  const forward = find(tree, at)
  if (forward.key !== null) return { span: forward.key, message, hint }
  return findingAt(find(tree, [...at, 'listen']), message, hint)
}

/** The text of a value for a message: as configured, or `${NAME}` where it comes from a variable. */
export function shown({ tree }: Place): string {
  if (tree.kind !== 'scalar') return ''
  return tree.references.length === 0 ? String(tree.value) : tree.references.join('')
}

/** The name of a listener, for a message. */
export function shownName(tree: Tree, { config, at }: ListenerDraft): string {
  return find(tree, at).key === null ? shown(find(tree, [...at, 'name'])) : config.name
}

/** What a listener listens on, for a message. */
export function shownAddress(tree: Tree, { at }: ListenerDraft): string {
  const isForward = find(tree, at).key !== null
  return isForward ? String(at.at(-1)) : shown(find(tree, [...at, 'listen']))
}

/** The place of one endpoint's address. */
export function endpointPath(tree: Tree, endpointsAt: Path, index: number): Path {
  const path = [...endpointsAt, index]
  return find(tree, path).tree.kind === 'mapping' ? [...path, 'address'] : path
}
