import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { commands, flagsOf } from '../../src/command/commands.ts'
import { manual } from '../../src/command/manual.ts'
import { version } from '../../src/version.ts'
import { findProgram } from '../helpers/find-program.ts'
import { run } from '../helpers/program.ts'

const page = fileURLToPath(new URL('../../docs/spliceway.8', import.meta.url))

test('docs/spliceway.8 is what the declaration of commands says: npm run man writes it', (t) => {
  t.is(readFileSync(page, 'utf8'), manual(version()))
})

const linters = [
  { program: 'mandoc', args: ['-Tlint', '-Wwarning'] },
  { program: 'groff', args: ['-man', '-ww', '-z', '-Tutf8'] },
] as const

for (const { program, args } of linters) {
  const found = findProgram(program)
  if (found === null) console.warn(`the manual is not checked by ${program}: there is none`)
  const testLint = found === null ? test.skip : test
  testLint(`${program} has nothing to say about the manual`, async (t) => {
    const said = await run([found ?? program, ...args, page])
    t.deepEqual({ out: said.out, err: said.err }, { out: '', err: '' })
  })
}

const groff = findProgram('groff')
const testShown = groff === null ? test.skip : test

testShown('a terminal shows every command and flag of the manual as they are typed', async (t) => {
  const { out } = await run([groff ?? 'groff', '-man', '-Tascii', '-P-cbou', page])
  for (const command of commands) {
    t.true(out.includes(`spliceway ${command.name}`), command.name)
    for (const { name } of flagsOf(command)) t.true(out.includes(`--${name}`), name)
  }
})
