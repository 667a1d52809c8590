import { readFileSync } from 'node:fs'
import test from 'ava'
import { cases } from '../../conformance/cases.ts'
import { documentFile, documentOf } from '../../conformance/document.ts'
import { readRecord } from '../../conformance/record.ts'

test('docs/conformance.md is what its record, its template and the cases say', (t) => {
  const written = readFileSync(documentFile, 'utf8')
  t.true(
    written === documentOf(readRecord()),
    'npm run conformance -- --write, or only --draw where no case and no peer has changed',
  )
})

test('every case has a name of its own', (t) => {
  t.is(new Set(cases.map(({ id }) => id)).size, cases.length)
})

test('a case that calls a behaviour a choice says why it is one', (t) => {
  const choices = readRecord().flatMap(({ cells }) =>
    Object.entries(cells).filter(([, { kind, unsteady }]) => kind === 'choice' || unsteady === 'choice'),
  )
  t.deepEqual(
    choices.filter(([id]) => cases.find((one) => one.id === id)?.choice === undefined),
    [],
  )
})
