import type { Span } from './source.ts'

/** A configuration as written, each part with its place. Made from YAML or from a command line. */
export type Tree = Scalar | List | Mapping | Broken

export interface Scalar {
  readonly kind: 'scalar'
  readonly span: Span
  /** With variables replaced. */
  readonly value: string | number | boolean | null
  /** The `${NAME}` that were replaced; when there are any, `value` must not be shown to anyone. */
  readonly references: readonly string[]
}

export interface List {
  readonly kind: 'list'
  readonly span: Span
  readonly items: readonly Tree[]
}

export interface Mapping {
  readonly kind: 'mapping'
  readonly span: Span
  readonly entries: ReadonlyMap<string, Entry>
}

export interface Entry {
  readonly key: Span
  readonly value: Tree
}

/** A part whose problem has been reported: nothing more is said about it. */
export interface Broken {
  readonly kind: 'broken'
  readonly span: Span
}

/** Keys and list indexes from the top. */
export type Path = readonly (string | number)[]

/** The values alone. Mappings have no prototype, so that no key can reach one. */
export function plain(tree: Tree): unknown {
  switch (tree.kind) {
    case 'scalar':
      return tree.value
    case 'list':
      return tree.items.map(plain)
    case 'mapping': {
      const object: Record<string, unknown> = Object.create(null)
      for (const [key, entry] of tree.entries) object[key] = plain(entry.value)
      return object
    }
    case 'broken':
      return null
  }
}

/** The part at `path`, or the last one on the way to it. */
export interface Place {
  readonly tree: Tree
  readonly path: Path
  /** Of the part's key; null: it has none (list items, the top). */
  readonly key: Span | null
}

/** Follows `path` as far as it leads. */
export function find(root: Tree, path: Path): Place {
  let found: Place = { tree: root, path: [], key: null }
  for (const [depth, step] of path.entries()) {
    const next = child(found.tree, step)
    if (next === undefined) return found
    found = { ...next, path: path.slice(0, depth + 1) }
  }
  return found
}

/** `tree` without the parts at `paths`. */
export function prune(tree: Tree, paths: readonly Path[]): Tree {
  return without(tree, new Set(paths.map((path) => JSON.stringify(path))), [])
}

/** `tree` with `value` at `path`, whose last step is a key; as it is where the way there does not exist. */
export function place(tree: Tree, path: Path, value: Tree): Tree {
  const [step, ...rest] = path
  if (step === undefined) return value
  if (tree.kind === 'list' && typeof step === 'number') {
    const item = tree.items[step]
    return item === undefined ? tree : { ...tree, items: tree.items.with(step, place(item, rest, value)) }
  }
  if (tree.kind !== 'mapping') return tree
  const key = String(step)
  const entry = tree.entries.get(key)
  if (entry === undefined && rest.length > 0) return tree
  const placed =
    entry === undefined ? { key: value.span, value } : { ...entry, value: place(entry.value, rest, value) }
  return { ...tree, entries: new Map([...tree.entries, [key, placed]]) }
}

/** `pools.web.endpoints[0]`; a key that would blur it is quoted. */
export function pathText(path: Path): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else if (!/^[\w-]+$/.test(step)) text += `[${JSON.stringify(step)}]`
    else text += text === '' ? step : `.${step}`
  }
  return text
}

function without(tree: Tree, gone: ReadonlySet<string>, at: Path): Tree {
  switch (tree.kind) {
    case 'list': {
      const items: Tree[] = []
      for (const [i, item] of tree.items.entries()) {
        const path = [...at, i]
        if (!gone.has(JSON.stringify(path))) items.push(without(item, gone, path))
      }
      return { ...tree, items }
    }
    case 'mapping': {
      const entries = new Map<string, Entry>()
      for (const [key, entry] of tree.entries) {
        const path = [...at, key]
        if (gone.has(JSON.stringify(path))) continue
        entries.set(key, { ...entry, value: without(entry.value, gone, path) })
      }
      return { ...tree, entries }
    }
    case 'scalar':
    case 'broken':
      return tree
  }
}

function child(tree: Tree, step: string | number): Pick<Place, 'tree' | 'key'> | undefined {
  if (tree.kind === 'list' && typeof step === 'number') {
    const item = tree.items[step]
    return item && { tree: item, key: null }
  }
  if (tree.kind === 'mapping') {
    const entry = tree.entries.get(String(step))
    return entry && { tree: entry.value, key: entry.key }
  }
  return undefined
}
