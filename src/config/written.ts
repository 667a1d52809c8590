import { type Entry, type Mapping, pathText, type Tree } from './tree.ts'

/** A valid configuration as somebody wrote it, its `${NAME}` unexpanded in the text. */
export interface Written {
  readonly text: string
  /** Of this text. */
  readonly tree: Mapping
}

/** What one of a value's lines shows; a pool that is new may be long. */
const longestValue = 60

/**
 * What `after` says that `before` did not, key by key: `~ pools.web.balance: p2c → round-robin`,
 * `+ pools.web.endpoints: 10.0.0.7:9080`, `- listeners.spare`. Variables are shown by their names; comments
 * and the way a value is written do not count. Listeners and endpoints are known by their names and
 * addresses, so one that is put in between changes no other.
 */
export function differences(before: Written, after: Written): readonly string[] {
  const lines: string[] = []
  const told = (sign: '+' | '-' | '~', path: readonly string[], value: string): void => {
    lines.push(`${sign} ${pathText(path)}${value === '' ? '' : `: ${value}`}`)
  }
  const compare = (path: readonly string[], old: Tree, now: Tree): void => {
    if (old.kind === 'mapping' && now.kind === 'mapping') {
      members(path, valuesOf(old.entries), valuesOf(now.entries))
      return
    }
    if (old.kind === 'list' && now.kind === 'list') {
      const [had, has] = [named(before, old.items), named(after, now.items)]
      if (had === null || has === null) {
        if (valueText(before, old) !== valueText(after, now)) told('~', path, change(old, now))
        return
      }
      members(path, had, has)
      const stayed = [...had.keys()].filter((name) => has.has(name))
      const order = [...has.keys()].filter((name) => had.has(name))
      if (stayed.join('\n') !== order.join('\n')) told('~', path, 'in another order')
      return
    }
    if (valueText(before, old) !== valueText(after, now)) told('~', path, change(old, now))
  }
  const members = (
    path: readonly string[],
    had: ReadonlyMap<string, Tree>,
    has: ReadonlyMap<string, Tree>,
  ): void => {
    for (const [name, old] of had) {
      const now = has.get(name)
      if (now === undefined) told('-', ...place(path, name, old, before, false))
      else compare([...path, name], old, now)
    }
    for (const [name, now] of has) if (!had.has(name)) told('+', ...place(path, name, now, after, true))
  }
  const change = (old: Tree, now: Tree): string =>
    `${short(valueText(before, old))} → ${short(valueText(after, now))}`
  compare([], before.tree, after.tree)
  return lines
}

/** Where a part came or went, and which: of a list the item, of a mapping the key. */
function place(
  path: readonly string[],
  name: string,
  tree: Tree,
  written: Written,
  came: boolean,
): [path: readonly string[], value: string] {
  const text = valueText(written, tree)
  if (tree.kind === 'scalar' && text === name) return [path, short(text)]
  return [[...path, name], came || tree.kind === 'scalar' ? short(text) : '']
}

function valuesOf(entries: ReadonlyMap<string, Entry>): Map<string, Tree> {
  return new Map([...entries].map(([key, { value }]) => [key, value]))
}

/** Items by what they are known by; null: one is known by nothing, or two by the same. */
function named(written: Written, items: readonly Tree[]): Map<string, Tree> | null {
  const byName = new Map<string, Tree>()
  for (const item of items) {
    const name = nameOf(written, item)
    if (name === null || byName.has(name)) return null
    byName.set(name, item)
  }
  return byName
}

function nameOf(written: Written, item: Tree): string | null {
  if (item.kind === 'scalar') return valueText(written, item)
  if (item.kind !== 'mapping') return null
  const known = item.entries.get('name') ?? item.entries.get('address')
  return known?.value.kind === 'scalar' ? valueText(written, known.value) : null
}

/** As JSON without the quotes that are not needed. */
function valueText(written: Written, tree: Tree): string {
  switch (tree.kind) {
    case 'scalar': {
      // What a variable holds is for nobody's eyes.
      const hidden = tree.references.length > 0
      const value = hidden ? written.text.slice(tree.span.start, tree.span.end) : tree.value
      const text = String(value)
      return /^[\x21-\x7e]+$/.test(text) ? text : JSON.stringify(text)
    }
    case 'list':
      return `[${tree.items.map((item) => valueText(written, item)).join(', ')}]`
    case 'mapping':
      return `{${[...tree.entries].map(([key, { value }]) => `${key}: ${valueText(written, value)}`).join(', ')}}`
    case 'broken':
      return '' // not in what is valid
  }
}

function short(text: string): string {
  return text.length > longestValue ? `${text.slice(0, longestValue - 1)}…` : text
}
