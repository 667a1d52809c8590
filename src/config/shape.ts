import { z } from 'zod'

/** The forms that the schema's mappings and lists have, and the marks by which json-schema.ts knows them. */

/** A mapping without other keys. The error carries the known ones, for "did you mean". */
export function mapping<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  const known = Object.keys(shape).join(' ')
  return z.strictObject(shape, { error: (issue) => (issue.code === 'unrecognized_keys' ? known : undefined) })
}

/** Marks a list in the JSON Schema that may be written as its only item. */
export const orItem = 'x-or-item'

/** A list that may be written as its only item. */
export function oneOrMore<Item extends z.ZodType>(item: Item) {
  const wrap = (given: unknown) => (Array.isArray(given) || given === undefined ? given : [given])
  return z.preprocess(wrap, z.array(item).min(1)).meta({ [orItem]: true })
}

/** Marks a mapping in the JSON Schema of whose keys, named here, exactly one is given; check.ts says so to people. */
export const oneKeyOf = 'x-one-key-of'
