import { writeFileSync } from 'node:fs'
import { schemaText } from './json-schema.ts'

writeFileSync(new URL('../../config/schema.json', import.meta.url), schemaText())
