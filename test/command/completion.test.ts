import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { commands, flagsOf, shells } from '../../src/command/commands.ts'
import { completionOf } from '../../src/command/completion.ts'
import { findProgram } from '../helpers/find-program.ts'
import { run } from '../helpers/program.ts'

function script(t: ExecutionContext, shell: string): { readonly file: string; readonly folder: string } {
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-completion-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const completion = completionOf(shell)
  const file = join(folder, '_spliceway')
  writeFileSync(file, completion.kind === 'known' ? completion.text : '')
  return { file, folder }
}

/** What bash offers for the last of these words, in a folder with two files. */
async function bashOffers(t: ExecutionContext, ...words: readonly string[]): Promise<string[]> {
  const { file, folder } = script(t, 'bash')
  for (const name of ['edge.yaml', 'my edge.yaml']) writeFileSync(join(folder, name), '')
  const asked = `
    cd "$1" && source "$2" || exit
    complete -p spliceway >/dev/null || exit
    shift 2; COMP_WORDS=(spliceway "$@"); COMP_CWORD=$#
    _spliceway
    ((\${#COMPREPLY[@]} == 0)) || printf '%s\\n' "\${COMPREPLY[@]}"`
  const said = await run(['bash', '--norc', '-uc', asked, 'bash', folder, file, ...words])
  t.is(said.err, '')
  t.is(said.code, 0)
  return said.out.split('\n').filter((line) => line !== '')
}

test('bash offers commands, then the flags of the one that is typed', async (t) => {
  t.deepEqual((await bashOffers(t, '')).sort(), commands.map(({ name }) => name).sort())
  t.deepEqual(await bashOffers(t, 'stat'), ['status'])
  t.deepEqual(await bashOffers(t, 'run', '--c'), ['--config'])
  for (const command of commands) {
    const flags = flagsOf(command).map(({ name }) => `--${name}`)
    t.deepEqual((await bashOffers(t, command.name, '--')).sort(), flags.sort(), command.name)
  }
})

test('bash offers files where a file is meant, one with a blank in its name as a whole', async (t) => {
  t.deepEqual((await bashOffers(t, 'check', '')).sort(), ['_spliceway', 'edge.yaml', 'my edge.yaml'])
  t.deepEqual(await bashOffers(t, 'run', '-c', 'e'), ['edge.yaml'])
  t.deepEqual(await bashOffers(t, 'status', '--socket', 'my'), ['my edge.yaml'])
})

test('bash offers the words that an argument can be, and nothing where none is known', async (t) => {
  t.deepEqual(await bashOffers(t, 'completion', ''), [...shells])
  t.deepEqual(await bashOffers(t, 'help', 'comp'), ['completion'])
  t.deepEqual(await bashOffers(t, 'forward', ''), [])
  t.deepEqual(await bashOffers(t, 'no-such-command', ''), [])
})

for (const shell of ['zsh', 'fish']) {
  const found = findProgram(shell)
  if (found === null) console.warn(`no test of the completion with a real ${shell}: there is none`)
  const testShell = found === null ? test.skip : test
  testShell(`${shell} reads its completion`, async (t) => {
    const said = await run([found ?? shell, '-n', script(t, shell).file])
    t.deepEqual({ code: said.code, err: said.err }, { code: 0, err: '' })
  })
}

test('every shell has every command and every flag', (t) => {
  for (const shell of shells) {
    const completion = completionOf(shell)
    if (completion.kind !== 'known') return t.fail()
    for (const command of commands)
      for (const { name } of flagsOf(command)) {
        const line = completion.text
          .split('\n')
          .some((each) => each.includes(command.name) && each.includes(name))
        t.true(line, `${shell}: ${command.name} --${name}`)
      }
  }
})

test('a shell that has none is told so', (t) => {
  t.deepEqual(completionOf('bsh'), {
    kind: 'unknown',
    message: 'no completion for `bsh`; did you mean `bash`?',
  })
  t.like(completionOf('powershell'), {
    message: 'no completion for `powershell`; there is one for bash, zsh, fish',
  })
})
