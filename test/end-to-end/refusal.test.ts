import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Program, run, type Said } from '../helpers/program.ts'
import { cli } from './spliceway.ts'

const good = `listeners:
  - { name: http, listen: "[::]:80", pool: web }
pools:
  web: { endpoints: [127.0.0.2:9080] }
`

/** The program to its end, which comes before it touches the network. */
function spliceway(...args: readonly string[]): Promise<Said> {
  return run([process.execPath, cli, ...args])
}

function folder(t: ExecutionContext): string {
  const made = mkdtempSync(join(tmpdir(), 'spliceway-refusal-'))
  t.teardown(() => rmSync(made, { recursive: true, force: true }))
  return made
}

function configFile(t: ExecutionContext, text: string): string {
  const file = join(folder(t), 'spliceway.yaml')
  writeFileSync(file, text)
  return file
}

const broken = `${good.replace('pool: web', 'pool: wab')}workers: many\n`

function saysBoth(t: ExecutionContext, file: string, said: Said): void {
  t.is(said.code, 78)
  t.is(said.out, '')
  t.true(said.err.includes(`--> ${file}:2:44\n`), said.err)
  t.true(said.err.includes(`--> ${file}:5:10\n`), said.err)
}

test('run and check: every problem of a broken configuration with its place, and exit code 78', async (t) => {
  const file = configFile(t, broken)
  saysBoth(t, file, await spliceway('run', '-c', file))
  saysBoth(t, file, await spliceway('check', file))
})

test('a configuration that is not there is exit code 78, and only run speaks of its option', async (t) => {
  const file = join(folder(t), 'nothing.yaml')
  for (const [args, hint] of [
    [['run', '-c', file], ' = name another with -c FILE\n'],
    [['check', file], ''],
  ] as const) {
    const said = await spliceway(...args)
    t.is(said.code, 78)
    t.regex(said.err, /^error: cannot read .*nothing\.yaml: ENOENT/)
    t.is(said.err.slice(said.err.indexOf('\n') + 1), hint)
  }
})

test('check of a good configuration is exit code 0 and says what is in it', async (t) => {
  const file = configFile(t, good)
  t.like(await spliceway('check', file), {
    code: 0,
    out: `${file} is valid: 1 listener, 1 pool\n`,
    err: '',
  })
})

test('a list that cannot be read, is no list or is empty where it may not be: exit code 78, of run and of check', async (t) => {
  const place = folder(t)
  const lists = [
    ['deny', 'gone', null, /deny: file .*gone.txt cannot be read \(ENOENT/],
    [
      'deny',
      'wrong',
      '10.0.0.0/8\n10.0.0.300\n',
      /deny: file .*wrong.txt is no list of ranges:[\s\S]*10\.0\.0\.300[\s\S]*:2:1/,
    ],
    ['allow', 'empty', '# nobody yet\n', /allow: file .*empty.txt is empty, which would turn everybody away/],
  ] as const
  for (const [list, name, text, says] of lists) {
    const path = join(place, `${name}.txt`)
    if (text !== null) writeFileSync(path, text)
    const file = join(place, `${name}.yaml`)
    writeFileSync(
      file,
      good
        .replace('pool: web }', `pool: web, ${list}: { file: ${path} } }`)
        .replace('[::]:80', '127.0.0.1:0'),
    )
    const both = await Promise.all([spliceway('check', file), spliceway('run', '-c', file)])
    for (const { code, err } of both) {
      t.is(code, 78, err)
      t.regex(err, says)
      t.regex(err, /^error: listener http: /)
    }
  }
})

test('check reads the lists, and says which of their ranges are larger than they look', async (t) => {
  const path = join(folder(t), 'deny.txt')
  writeFileSync(path, '192.0.2.1/24\n')
  const said = await spliceway(
    'check',
    configFile(t, good.replace('pool: web }', `pool: web, deny: { file: ${path} } }`)),
  )
  t.is(said.code, 0)
  t.regex(
    said.err,
    /^warning: listener http: deny: file .* has ranges that are larger than they look:[\s\S]*192\.0\.2\.0\/24/,
  )
})

for (const args of [
  ['runn'],
  ['run', 'now'],
  ['run', '--fast'],
  ['check'],
  ['check', 'one', 'two'],
  ['forward'],
  ['forward', '-x'],
  ['forward', '8080'],
  ['forward', '80=127.0.0.1:9080', '8080'],
  ['status', 'all'],
]) {
  test(`spliceway ${args.join(' ')}: wrong usage is exit code 2 and says in three lines what would be right`, async (t) => {
    const said = await spliceway(...args)
    t.is(said.code, 2)
    t.regex(said.err, /^spliceway: .*\n( {2}.*\n){0,2}$/)
    t.is(said.out, '')
  })
}

test('the program alone says what it is and what to do; npm start shows it', async (t) => {
  const alone = await run([process.execPath, cli], { env: { npm_lifecycle_event: 'test' } })
  t.is(alone.code, 0)
  t.regex(alone.out, /^spliceway \S+: .*\ncarries TCP connections .*\n\ntry it/)
  const npm = { npm_lifecycle_event: 'start', npm_package_name: 'spliceway' }
  const program = await Program.start([process.execPath, cli], { env: npm })
  t.teardown(() => program.kill())
  await program.line(/gateway A/)
})

test('forward with an endpoint that is none is exit code 78 and shows the argument', async (t) => {
  const said = await spliceway('forward', '80=gateway:none')
  t.is(said.code, 78)
  t.regex(said.err, /80=gateway:none/)
})

/** A Node of the system that is too old for the program; undefined: there is none. */
function oldNode(): string | undefined {
  const nodes = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'node'))
  return nodes
    .filter((path) => existsSync(path))
    .find((path) => {
      const { stdout } = spawnSync(path, ['--version'], { encoding: 'utf8' })
      return Number.parseInt(stdout.slice(1), 10) < 26
    })
}

const old = oldNode()
if (old === undefined) console.warn('no test with an old Node: there is none below 26 in PATH')
const testOldNode = old === undefined ? test.skip : test

testOldNode('an old Node is exit code 78, and the message names it and what to do', async (t) => {
  const said = await run([old ?? 'node', cli, 'version'])
  t.is(said.code, 78)
  t.is(said.out, '')
  t.regex(said.err, /^spliceway: needs Node\.js 26 or newer, this is v\d+\.\d+\.\d+ \(.*node\)\n.*npm ci/)
})
