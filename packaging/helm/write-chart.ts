import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { repeated } from './chart.ts'

for (const [path, text] of repeated()) writeFileSync(join(import.meta.dirname, '../..', path), text)
