import { z } from 'zod'

/**
 * The forms that the schema's mappings and lists have, what a mapping becomes inside the program, and the
 * marks by which json-schema.ts knows them.
 */

declare const ms: unique symbol
/** What a duration is read as: milliseconds. mapping() adds the unit to the name of the key that has it. */
export type Ms = number & { readonly [ms]: true }

/** Marks a duration, which the program can know by no other sign when it is left out. */
export const timed = 'x-timed'

/**
 * What the program has of a mapping. `idle: 1h` is `idleMs: 3600000`; what was left out, and has no default,
 * is null.
 */
type Inner<Shape extends Readonly<Record<string, z.ZodType>>> = {
  [Key in keyof Shape & string as IsTimed<Shape[Key]> extends true ? `${Key}Ms` : Key]:
    | (IsTimed<Shape[Key]> extends true ? number : Exclude<z.output<Shape[Key]>, undefined>)
    | (undefined extends z.output<Shape[Key]> ? null : never)
}
type IsTimed<Field extends z.ZodType> = [NonNullable<z.output<Field>>] extends [Ms] ? true : false

/**
 * A mapping without other keys, in the program's form. The error carries the known keys, for "did you mean".
 */
export function mapping<Shape extends Readonly<Record<string, z.ZodType>>>(shape: Shape) {
  const known = Object.keys(shape).join(' ')
  const names = Object.entries(shape).map(([key, field]) => [key, isTimed(field) ? `${key}Ms` : key] as const)
  return z
    .strictObject(shape, { error: (issue) => (issue.code === 'unrecognized_keys' ? known : undefined) })
    .transform((given: Readonly<Record<string, unknown>>) => {
      const inner = Object.fromEntries(names.map(([key, name]) => [name, given[key] ?? null]))
      return inner as Inner<Shape>
    })
}

function isTimed(field: z.ZodType): boolean {
  let inner: unknown = field
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodPrefault) inner = inner.unwrap()
  return inner instanceof z.ZodType && inner.meta()?.[timed] === true
}

/** Marks a list in the JSON Schema that may be written as its only item. */
export const orItem = 'x-or-item'

/** A list that may be written as its only item. */
export function oneOrMore<Item extends z.ZodType>(item: Item) {
  const wrap = (given: unknown) => (Array.isArray(given) || given === undefined ? given : [given])
  return z.preprocess(wrap, z.array(item).min(1)).meta({ [orItem]: true })
}

/**
 * Marks a mapping in the JSON Schema of whose keys, named here, exactly one is given; check.ts says so to
 * people.
 */
export const oneKeyOf = 'x-one-key-of'
