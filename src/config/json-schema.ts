import { z } from 'zod'
import { schema } from './schema.ts'
import { oneKeyOf, orItem, timed } from './shape.ts'

/** The JSON Schema (draft-7) of the configuration file, for editors: config/schema.json. */
export function jsonSchema(): Record<string, unknown> {
  const generated = z.toJSONSchema(schema, {
    target: 'draft-7',
    io: 'input',
    override: ({ jsonSchema }) => {
      // An empty mapping or list as default says nothing that the fields below it do not say.
      const { default: value } = jsonSchema
      if (typeof value === 'object' && value !== null && Object.keys(value).length === 0)
        delete jsonSchema.default
      delete jsonSchema[timed]
      const keys = jsonSchema[oneKeyOf]
      if (Array.isArray(keys)) {
        delete jsonSchema[oneKeyOf]
        jsonSchema.oneOf = keys.map((key: string) => ({
          type: 'object',
          properties: { [key]: { description: `One of ${keys.join(', ')}.` } },
          required: [key],
        }))
      }
      if (jsonSchema[orItem] === undefined) return
      delete jsonSchema[orItem]
      const { items, minItems, type } = jsonSchema
      if (type !== 'array' || typeof items !== 'object' || Array.isArray(items)) return
      for (const keyword of ['items', 'minItems', 'type'] as const) delete jsonSchema[keyword]
      jsonSchema.anyOf = [items, { type, minItems: minItems ?? 0, items }]
    },
  })
  return { ...generated, title: 'spliceway' }
}

/** The text of config/schema.json. */
export function schemaText(): string {
  return `${JSON.stringify(jsonSchema(), null, 2)}\n`
}
