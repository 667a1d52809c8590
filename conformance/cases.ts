import type { Case } from './case.ts'
import { bytes } from './cases/bytes.ts'
import { dial } from './cases/dial.ts'
import { halfClose } from './cases/half-close.ts'
import { lifecycle } from './cases/lifecycle.ts'
import { pressure } from './cases/pressure.ts'
import { promptness } from './cases/promptness.ts'
import { reset } from './cases/reset.ts'
import { urgent } from './cases/urgent.ts'

/** All cases, by topic, in the order of the document. */
export const topics: readonly { readonly title: string; readonly cases: readonly Case[] }[] = [
  { title: 'Bytes', cases: bytes },
  { title: 'Promptness', cases: promptness },
  { title: 'Readers that are slow', cases: pressure },
  { title: 'FIN for FIN', cases: halfClose },
  { title: 'RST for RST, data first', cases: reset },
  { title: 'Urgent bytes', cases: urgent },
  { title: 'Endpoints that refuse or are silent', cases: dial },
  { title: 'Idle, reload, stop', cases: lifecycle },
]

export const cases: readonly Case[] = topics.flatMap((topic) => topic.cases)
