import { writeFileSync } from 'node:fs'
import { version } from '../version.ts'
import { manual } from './manual.ts'

writeFileSync(new URL('../../docs/spliceway.8', import.meta.url), manual(version()))
