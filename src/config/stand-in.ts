import type { Path, Scalar } from './tree.ts'

/**
 * Values that pass, by the last two steps of the way to them; `*` is any. What they collide with is not
 * reported.
 */
const values: Readonly<Record<string, string>> = {
  'listeners name': 'stand-in',
  'listeners listen': '127.0.0.1:0', // port 0 collides with nobody
  'routes pool': 'stand-in',
  '* address': 'stand-in.invalid:1', // a name, which has no family
  'kubernetes service': 'stand/in',
  'dns name': 'stand-in.invalid',
  'file path': '/stand-in',
}

/**
 * What stands for a required field that is missing or wrong while the checks look at the rest, so that a
 * listener with a slip in its address is told of its unknown pool in the same run. null: nothing can, and its
 * mapping has to be left out.
 */
export function standInFor(path: Path): Scalar | null {
  const key = String(path.at(-1))
  // The step before is the mapping's own key, or an index in a list that has one.
  const parent = path.at(-2)
  const within = typeof parent === 'number' ? path.at(-3) : parent
  const value = values[`${within} ${key}`] ?? values[`* ${key}`]
  if (value === undefined) return null
  const unique = key === 'name' && typeof parent === 'number' ? `${value}-${parent}` : value
  // A span of its own, by which its findings are known.
  return { kind: 'scalar', span: { start: 0, end: 0 }, value: unique, references: [] }
}
