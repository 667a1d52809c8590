import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Program, run } from '../helpers/program.ts'
import { checkout } from './image.ts'

const launcher = join(checkout, 'bin/spliceway')
const own = `node-linux-${process.arch}`

/** A folder that ends with the test. */
function place(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-launcher-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return folder
}

/** A node that says its name and its arguments, or its version when it is asked. */
function fakeNode(file: string, name: string, version: string): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, `#!/bin/sh\nif [ "$1" = -p ]; then echo ${version}; else echo "${name} $*"; fi\n`)
  chmodSync(file, 0o755)
}

/** The launcher alone, in `folder`, with a program that nobody runs. */
function installed(folder: string): string {
  mkdirSync(join(folder, 'bin'), { recursive: true })
  mkdirSync(join(folder, 'dist'))
  cpSync(launcher, join(folder, 'bin/spliceway'))
  writeFileSync(join(folder, 'dist/cli.mjs'), '')
  return join(folder, 'bin/spliceway')
}

/** PATH with `node` of a version before the system's own. */
function path(folder: string, version: string): string {
  fakeNode(join(folder, 'path/node'), 'path', version)
  return `${join(folder, 'path')}:/usr/bin:/bin`
}

test('through a link, from another folder, the checkout runs with its own Node', async (t) => {
  const folder = place(t)
  symlinkSync(launcher, join(folder, 'first'))
  symlinkSync('first', join(folder, 'spliceway'))
  const said = await run(['env', '-C', folder, 'spliceway', 'version'], {
    env: { PATH: `${folder}:${path(folder, '20.20.2')}` },
  })
  const { version } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'))
  t.deepEqual([said.out, said.err], [`spliceway ${version} (Node ${process.version})\n`, ''])
})

test('the process that was started is the program: no shell stays before it, and its exit code arrives', async (t) => {
  const folder = place(t)
  const socket = join(folder, 'admin.sock')
  const file = join(folder, 'spliceway.yaml')
  writeFileSync(
    file,
    `listeners: [{ name: a, listen: "127.0.0.1:0", pool: a }]\npools: { a: { endpoints: ["127.0.0.1:9"] } }\nadmin: { listen: off, socket: ${socket} }\ndrain: { notReadyDelay: 0s }\n`,
  )
  const program = await Program.start([launcher, 'run', '-c', file])
  t.teardown(() => program.kill())
  await program.line(/listening on/)
  t.is(readFileSync(`/proc/${program.pid}/comm`, 'utf8'), 'spliceway\n')
  program.tell('SIGTERM')
  t.is((await program.exit).code, 0)
  t.is((await run([launcher, 'nonsense'])).code, 2)
})

test('SIGUSR1 opens no debugger', async (t) => {
  const folder = place(t)
  const spliceway = installed(folder)
  fakeNode(join(folder, 'node_modules', own, 'bin/node'), 'own', '26.10.0')
  const said = await run([spliceway, 'run'])
  t.is(said.out, `own --disable-sigusr1 ${join(folder, 'dist/cli.mjs')} run\n`)
})

test('arguments arrive as they were given', async (t) => {
  const folder = place(t)
  const spliceway = installed(folder)
  const node = join(folder, 'node_modules', own, 'bin/node')
  fakeNode(node, 'own', '26.10.0')
  writeFileSync(node, '#!/bin/sh\nprintf "[%s]" "$@"\n')
  const said = await run([spliceway, 'run', '-c', 'a b', '', '*'])
  t.true(said.out.endsWith('cli.mjs][run][-c][a b][][*]'), said.out)
})

test('a Node that npm put beside the package is found', async (t) => {
  const folder = place(t)
  const spliceway = installed(join(folder, 'node_modules/spliceway'))
  fakeNode(join(folder, 'node_modules', own, 'bin/node'), 'beside', '26.10.0')
  t.regex((await run([spliceway, 'version'])).out, /^beside /)
})

test('a folder beside a checkout is not taken for its Node', async (t) => {
  const folder = place(t)
  const spliceway = installed(join(folder, 'spliceway'))
  fakeNode(join(folder, own, 'bin/node'), 'beside', '26.10.0')
  const said = await run([spliceway, 'version'], { env: { PATH: path(folder, '26.0.0') } })
  t.regex(said.out, /^path --disable-sigusr1 /)
})

test('where none came along, a node on PATH that is new enough runs it', async (t) => {
  const folder = place(t)
  const spliceway = installed(folder)
  const said = await run([spliceway, 'version'], { env: { PATH: path(folder, '27.1.0') } })
  t.deepEqual([said.code, said.out], [0, `path --disable-sigusr1 ${join(folder, 'dist/cli.mjs')} version\n`])
})

test('where there is no Node 26 one line says so, and why', async (t) => {
  const folder = place(t)
  const spliceway = installed(folder)
  const said = await run([spliceway, 'run'], { env: { PATH: path(folder, '20.20.2') } })
  t.is(said.code, 78)
  t.is(said.out, '')
  t.is(
    said.err,
    `spliceway: needs Node.js 26 or newer: ${own} is not installed with it (was npm told to leave optional packages out?), and node on PATH is 20.20.2\n`,
  )
})

test('where glibc is missing one line says so', async (t) => {
  const folder = place(t)
  const spliceway = installed(folder)
  // What an image with musl has: the file, and not its loader.
  const text = readFileSync(spliceway, 'utf8').replaceAll(/loader=\/\S+/g, 'loader=/nowhere/ld-linux.so.2')
  writeFileSync(spliceway, text)
  fakeNode(join(folder, 'node_modules', own, 'bin/node'), 'own', '26.10.0')
  fakeNode(join(folder, 'path/node'), 'path', '') // not even its version: it does not start
  const said = await run([spliceway, 'run'], { env: { PATH: `${join(folder, 'path')}:/usr/bin:/bin` } })
  t.is(said.code, 78)
  t.is(
    said.err,
    'spliceway: needs Node.js 26 or newer: the one that came with it is for glibc, and /nowhere/ld-linux.so.2 is not here (musl?), and no node is on PATH\n',
  )
})
