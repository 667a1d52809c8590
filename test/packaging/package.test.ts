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

/** Where each shell looks for them by these names. */
const completions = ['bash/spliceway', 'zsh/_spliceway', 'fish/spliceway.fish'].map(
  (file) => `dist/completion/${file}`,
)

test('what is needed to run is in the package, and nothing else', async (t) => {
  const found = (await files()).map((file) => file.replace(/^package\//, ''))
  const sources = globSync('**/*.{ts,mjs}', { cwd: join(checkout, 'src') })
  const emitted = sources
    .filter((file) => file !== 'config/write-schema.ts')
    .map((file) => `dist/${file.replace(/\.ts$/, '.js')}`)
    .concat(completions)
  const others = found.filter((file) => !file.startsWith('dist/'))
  const made = found.filter((file) => file.startsWith('dist/'))
  t.deepEqual(made.toSorted(), emitted.toSorted())
  const wanted = ['LICENSE', 'README.md', 'package.json', ...manifest.files]
  t.deepEqual(
    others.filter((file) => !wanted.includes(file)),
    [],
  )
  t.deepEqual(
    wanted.filter((file) => file !== 'dist' && !others.includes(file)),
    [],
  )
})

test('the manual is a page of the package, for npm to link where man looks', async (t) => {
  t.deepEqual(manifest.man, ['docs/spliceway.8'], 'a list: npm passes over a single name')
  t.true((await files()).includes(`package/${manifest.man[0]}`))
})

test('what shells complete is what the program says', async (t) => {
  for (const file of completions) {
    const [, , shell = ''] = file.split('/')
    const said = await run([spliceway, 'completion', shell], { env: { NODE_COMPILE_CACHE: '' } })
    t.is(readFileSync(join(packed.folder, 'prefix/node_modules/spliceway', file), 'utf8'), said.out, file)
  }
})

test('an installation gets the packages that the tests ran with, by their hashes, and none of a developer', (t) => {
  const read = (file: string) => JSON.parse(readFileSync(file, 'utf8')).packages
  const ours = read(join(checkout, 'package-lock.json'))
  const theirs = read(join(packed.folder, 'prefix/node_modules/spliceway/npm-shrinkwrap.json'))
  const { '': self, ...packages } = theirs
  t.deepEqual(self.dependencies, manifest.dependencies)
  t.false('devDependencies' in self)
  for (const name of Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }))
    t.true(`node_modules/${name}` in packages, name)
  for (const [path, entry] of Object.entries<Record<string, unknown>>(packages)) {
    t.deepEqual(entry, ours[path], path)
    t.regex(String(entry.integrity), /^sha512-/, path)
    t.not(entry.dev, true, path)
  }
  t.false('node_modules/ava' in packages)
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
