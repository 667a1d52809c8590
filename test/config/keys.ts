import { jsonSchema } from '../../src/config/json-schema.ts'

/** A key that the configuration file can have. */
export interface Key {
  /** `['pools', '*', 'endpoints', '[]', 'weight']` */
  readonly path: readonly string[]
  /** As in the file; undefined: it has none. */
  readonly usual: unknown
  readonly means: string
  /** The words that it takes. */
  readonly words: readonly unknown[]
}

type Json = Readonly<Record<string, unknown>>

/** Every key of the configuration file, as the schema has it. */
export function allKeys(): readonly Key[] {
  const found = new Map<string, Key>()
  const visit = (schema: unknown, path: readonly string[]): void => {
    if (typeof schema !== 'object' || schema === null) return
    const { properties, items, additionalProperties, anyOf } = schema as Json
    for (const [name, field] of Object.entries((properties ?? {}) as Record<string, Json>)) {
      const at = [...path, name]
      const words = wordsOf(field)
      const key = { path: at, usual: field.default, means: String(field.description), words }
      if (!found.has(at.join('.'))) found.set(at.join('.'), key)
      visit(field, at)
    }
    visit(items, [...path, '[]'])
    visit(additionalProperties, [...path, '*'])
    for (const form of Array.isArray(anyOf) ? anyOf : []) visit(form, path)
  }
  visit(jsonSchema(), [])
  return [...found.values()]
}

/** Of the key itself, in whatever form. */
function wordsOf({ enum: words = [], const: word, anyOf = [] }: Json): unknown[] {
  const own = [...(words as readonly unknown[]), ...(word === undefined ? [] : [word])]
  return [...own, ...(anyOf as readonly Json[]).flatMap(wordsOf)]
}
