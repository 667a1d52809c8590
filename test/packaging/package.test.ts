import { globSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { Backend, dialPeer, echo } from '../helpers/peer.ts'
import { Program, run } from '../helpers/program.ts'
import { checkout } from './image.ts'
import { type Packed, pack } from './package.ts'

/** As an installation has it, dependencies from this checkout. */
let packed: Packed
let spliceway = ''
const manifest = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'))

test.before(async () => {
  packed = await pack()
  const modules = join(packed.folder, 'prefix/node_modules')
  mkdirSync(join(modules, 'spliceway'), { recursive: true })
  const into = join(modules, 'spliceway')
  const said = await run(['tar', '-xzf', packed.tarball, '-C', into, '--strip-components=1'])
  if (said.code !== 0) throw new Error(said.err)
  for (const name of globSync(['*', '@koromix/*'], { cwd: join(checkout, 'node_modules') })) {
    if (name.startsWith('@')) mkdirSync(join(modules, '@koromix'), { recursive: true })
    if (name !== '@koromix') symlinkSync(join(checkout, 'node_modules', name), join(modules, name))
  }
  spliceway = join(into, 'bin/spliceway')
})

test.after.always(() => {
  if (packed !== undefined) rmSync(packed.folder, { recursive: true })
})

async function files(): Promise<readonly string[]> {
  const said = await run(['tar', '-tzf', packed.tarball])
  return said.out.trim().split('\n')
}

test('what is needed to run is in the package, and nothing else', async (t) => {
  const found = (await files()).map((file) => file.replace(/^package\//, ''))
  const sources = globSync('**/*.{ts,mjs}', { cwd: join(checkout, 'src') })
  const emitted = sources
    .filter((file) => file !== 'config/write-schema.ts')
    .map((file) => `dist/${file.replace(/\.ts$/, '.js')}`)
  const others = found.filter((file) => !file.startsWith('dist/'))
  const made = found.filter((file) => file.startsWith('dist/'))
  t.deepEqual(made.toSorted(), emitted.toSorted())
  const wanted = ['LICENSE', 'README.md', 'package.json', ...manifest.files]
  t.deepEqual(
    others.filter((file) => !wanted.includes(file)),
    [],
  )
  for (const file of ['bin/spliceway', 'config/reference.yaml', 'config/schema.json'])
    t.true(others.includes(file), file)
})

test('the launcher of the package may be executed', async (t) => {
  const said = await run(['tar', '-tvzf', packed.tarball, 'package/bin/spliceway'])
  t.regex(said.out, /^-rwxr-xr-x /)
})

test('no emitted file imports a source file', (t) => {
  const folder = join(packed.folder, 'prefix/node_modules/spliceway/dist')
  // In comments of JavaScript there are types, which nobody loads.
  const code = (file: string): string =>
    readFileSync(join(folder, file), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '')
  const bad = globSync('**/*.{js,mjs}', { cwd: folder }).filter((file) =>
    /(from|import\(|new URL\()\s*['"`][^'"`]*\.ts['"`]/.test(code(file)),
  )
  t.deepEqual(bad, [])
})

test('the package forwards with its workers, and ps shows which configuration it serves', async (t) => {
  const backend = await Backend.start({ onPeer: echo })
  t.teardown(() => backend.close())
  const file = join(packed.folder, 'forward.yaml')
  writeFileSync(
    file,
    `listeners: [{ name: a, listen: "127.0.0.1:0", pool: a }]
pools: { a: { endpoints: ["127.0.0.1:${backend.port}"] } }
admin: { listen: off, socket: ${join(packed.folder, 'admin.sock')} }
drain: { notReadyDelay: 0s }
`,
  )
  const program = await Program.start([spliceway, 'run', '-c', file], {
    env: { NODE_COMPILE_CACHE: '' },
  })
  t.teardown(() => program.kill())
  const { address } = JSON.parse(await program.line(/listening on/))
  const client = await dialPeer(Number(address.slice(address.lastIndexOf(':') + 1)))
  client.end('hello')
  t.is((await client.readAll()).bytes.toString(), 'hello')
  const words = readFileSync(`/proc/${program.pid}/cmdline`, 'utf8').replace(/\0+$/, '')
  t.is(words, `spliceway run ${file}`)
  t.is(readFileSync(`/proc/${program.pid}/comm`, 'utf8'), 'spliceway\n')
  program.tell('SIGTERM')
  t.is((await program.exit).code, 0)
})

test('the demo of the package starts its gateways', async (t) => {
  const program = await Program.start([spliceway, 'demo'], { env: { NODE_COMPILE_CACHE: '' } })
  t.teardown(() => program.kill())
  await program.line(/^spliceway forwards 127\.0\.0\.1:\d+/)
  await program.line(/^status: spliceway status --socket /)
  program.tell('SIGINT')
  t.is((await program.exit).code, 0)
})

test('whoever has npm may install it: any Node in use reads the launcher, and nothing can be imported', (t) => {
  t.is(manifest.bin.spliceway, 'bin/spliceway')
  t.is(manifest.engines.node, '>=20')
  t.deepEqual(Object.keys(manifest.exports), ['./package.json'])
  t.true(manifest.publishConfig.provenance)
  const lock = JSON.parse(readFileSync(join(checkout, 'package-lock.json'), 'utf8')).packages['']
  t.deepEqual([lock.bin, lock.engines], [manifest.bin, manifest.engines])
})

test('an installation runs no script of ours', (t) => {
  for (const name of ['preinstall', 'install', 'postinstall', 'prepare'])
    t.false(name in manifest.scripts, name)
})
