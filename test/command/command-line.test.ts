import test from 'ava'
import { readCommandLine } from '../../src/command/command-line.ts'
import { commands, flagsOf } from '../../src/command/commands.ts'
import { helpOf, introduction, overview } from '../../src/command/help.ts'

function wrong(...args: readonly string[]): string {
  const line = readCommandLine(args)
  return line.kind === 'wrong' ? line.message : `not wrong: ${line.kind}`
}

test('flags and arguments are read in any order, and of a flag that is given twice the last counts', (t) => {
  const line = readCommandLine(['status', '--socket', '/a', '--json', '--socket=/b'])
  if (line.kind !== 'call') return t.fail()
  t.is(line.name, 'status')
  t.is(line.call.values.get('socket'), '/b')
  t.true(line.call.switches.has('json'))
  t.deepEqual(readCommandLine(['run', '-c', 'f.yaml']), readCommandLine(['run', '--config=f.yaml']))
  const after = readCommandLine(['check', '--', '-file'])
  t.deepEqual(after.kind === 'call' && after.call.args, ['-file'])
})

for (const [args, message] of [
  [['runn'], 'unknown command `runn`; did you mean `run`?'],
  [['sttaus'], 'unknown command `sttaus`; did you mean `status`?'],
  [['nothing-like-it'], 'unknown command `nothing-like-it`'],
  [['--version-of-it'], 'unknown option `--version-of-it`'],
  [['constructor'], 'unknown command `constructor`'],
  [['status', '--jsn'], 'unknown option `--jsn` of status; did you mean `--json`?'],
  [['status', '--conf'], 'unknown option `--conf` of status'],
  [['run', '-x'], 'unknown option `-x` of run'],
  [['status', '--json=yes'], '`--json` takes no value'],
  [['run', '-c'], '`-c` needs a value: -c FILE'],
  [['status', '--socket', '--json'], '`--socket` needs a value: --socket PATH, and `--json` is an option'],
  [['run', 'now'], 'run takes no `now`'],
  [['check'], 'check needs FILE'],
  [['check', 'one', 'two'], 'check takes no `two`'],
  [['help', 'runn'], 'unknown command `runn`; did you mean `run`?'],
] as const) {
  test(`${args.join(' ')}: ${message}`, (t) => {
    const [first, ...more] = wrong(...args).split('\n')
    t.is(first, message)
    t.true(more.length <= 2 && more.some((line) => /help/.test(line)), more.join('\n'))
  })
}

test('every command has its help, asked for in three ways, whatever else is wrong with the line', (t) => {
  for (const command of commands) {
    const { name } = command
    const about = { kind: 'help', about: command } as const
    t.deepEqual(readCommandLine([name, '--help']), about)
    t.deepEqual(readCommandLine([name, 'a', 'b', 'c', 'd', '-h']), about)
    t.deepEqual(readCommandLine(['help', name]), about)
    const text = helpOf(command)
    t.true(text.startsWith(`usage: spliceway ${name}`))
    for (const flag of flagsOf(command)) t.true(text.includes(`--${flag.name}`), flag.name)
    t.true(overview().includes(`\n  ${name}`), name)
  }
  for (const word of ['help', '--help', '-h'])
    t.deepEqual(readCommandLine([word]), { kind: 'help', about: null })
})

test('nothing that help says is wider than a terminal of 80 columns', (t) => {
  const texts = [overview(), introduction('10.20.30'), ...commands.map(helpOf)]
  const wide = texts.flatMap((text) => text.split('\n')).filter((line) => line.length > 80)
  t.deepEqual(wide, [])
})

test('every example is a command line that is accepted', (t) => {
  for (const example of commands.flatMap(({ examples }) => examples))
    t.not(readCommandLine(example.split(' ')).kind, 'wrong', example)
})

test('the program alone says what it is and what to do', (t) => {
  t.deepEqual(readCommandLine([]), { kind: 'nothing' })
  for (const [, example = ''] of introduction('1').matchAll(/^ {2}spliceway (.*?) {2,}/gm))
    t.is(readCommandLine(example.split(' ')).kind, 'call', example)
})
