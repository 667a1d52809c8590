import { readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import test from 'ava'

/** What both planes are made with. */
const seam = [
  'plane/plane.ts',
  'plane/sweeper.ts',
  'plane/sight.ts',
  'plane/deadlines.ts',
  'plane/linger.ts',
  'plane/unsent.ts',
]

/** What each folder may import, itself aside. A file directly in src is a folder of its own. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  core: [],
  protocol: ['core'],
  'plane/plane.ts': ['core'],
  // One wheel of deadlines serves both planes.
  'plane/sweeper.ts': ['core', 'plane/plane.ts'],
  // What is asked of the kernel, and the deadlines and the last wait that are decided by it.
  'plane/sight.ts': ['core'],
  'plane/deadlines.ts': ['plane/plane.ts', 'plane/sight.ts'],
  'plane/linger.ts': ['plane/plane.ts', 'plane/sight.ts'],
  'plane/unsent.ts': [],
  'plane/net': ['core', ...seam],
  'plane/splice': ['core', ...seam, 'linux'],
  session: ['core', 'protocol', 'plane/plane.ts'],
  linux: ['core/address.ts', 'core/orphan.ts', 'core/tcp-view.ts', 'core/way-back.ts'],
  config: ['core'],
  discovery: ['core', 'config'],
  // Probes of a port that expects a PROXY header have to send one.
  probe: ['core', 'config', 'protocol', 'discovery'],
  control: ['core', 'config', 'discovery', 'probe'],
  // Descriptors go from process to process by system calls that only linux/ has.
  handover: ['core', 'linux'],
  telemetry: ['core'],
  admin: ['core', 'telemetry'],
  // What is wrong on this node. How many connections fit is decided in one place.
  doctor: ['core', 'config', 'discovery', 'protocol', 'control/capacity.ts', 'linux/tcp-table.ts'],
  // The roots: each puts parts together, and nobody imports one but the root above it.
  'worker.ts': [
    'core',
    'clock.ts',
    'plane/plane.ts',
    'plane/unsent.ts',
    'plane/net',
    'plane/splice',
    'session',
    'linux',
  ],
  // The self-test of the splice plane chooses the plane before any worker is born.
  'host.ts': ['core', 'config', 'control', 'probe', 'linux', 'plane/splice'],
  // Apart from host.ts: what transparent pools need of it.
  'transparent.ts': ['core', 'config', 'control', 'linux', 'host.ts'],
  // Apart from app.ts: from whom a process has its sockets, and who gets them.
  'succession.ts': ['core', 'config', 'control', 'handover', 'linux', 'host.ts'],
  // Apart from app.ts: how it ends.
  'stop.ts': ['core', 'config', 'control', 'telemetry', 'admin'],
  // Apart from app.ts: how another configuration takes the place of the one in force.
  'reload.ts': ['core', 'config', 'control', 'discovery', 'admin', 'linux', 'host.ts'],
  // Apart from app.ts: what the metrics are made from.
  'measure.ts': ['control', 'telemetry'],
  // Apart from app.ts: how the next version is started.
  'upgrade.ts': ['core', 'handover', 'admin'],
  'app.ts': [
    'core',
    'config',
    'control',
    'discovery',
    'handover',
    'telemetry',
    'admin',
    'linux',
    'clock.ts',
    'host.ts',
    'measure.ts',
    'reload.ts',
    'stop.ts',
    'succession.ts',
    'upgrade.ts',
    'transparent.ts',
    'version.ts',
  ],
  command: [
    'app.ts',
    'doctor',
    'host.ts',
    'stop.ts',
    'upgrade.ts',
    'core',
    'config',
    'control',
    'handover',
    'telemetry',
    'admin',
    'linux',
    'transparent.ts',
    'version.ts',
  ],
  demo: ['command', 'app.ts', 'config'],
  'main.ts': ['command', 'demo', 'app.ts', 'config', 'telemetry', 'admin', 'version.ts', 'linux'],
  'cli.mjs': ['main.ts'],
  'version.ts': [],
  'clock.ts': [],
}

/**
 * What breaks a rule and is known, each with why it stands. An entry that no longer applies fails the test, so this list
 * only gets shorter.
 */
const known: Readonly<Record<string, string>> = {}

/** Who may import a package, beside the folders that it is for. */
const owners: Readonly<Record<string, RegExp>> = {
  koffi: /^linux\/load-libc\.ts$/,
  undici: /^probe\/http\.ts$|^discovery\/kubernetes\//,
  // A kubeconfig is a foreign file: no variables, no places in messages (its lines may be keys).
  yaml: /^config\/(parse|aliases)\.ts$|^discovery\/kubernetes\/kubeconfig\.ts$/,
  zod: /^config\//,
  'prom-client': /^telemetry\/metrics[^/]*\.ts$/,
  pino: /^telemetry\//,
}

/** The parts of Node that only look at text, bytes and numbers. */
const pure: Readonly<Record<string, ReadonlySet<string>>> = {
  'node:net': new Set(['isIP', 'isIPv4', 'isIPv6', 'BlockList', 'SocketAddress']),
  'node:util': new Set(['getSystemErrorMessage']),
}

const longestFile = 400
/** What is longer, and how long at most: the list only gets shorter. */
const longerFiles: Readonly<Record<string, number>> = {
  'app.ts': 418,
  'session/serve.ts': 423,
}
/** As biome.json has it for code. */
const widestComment = 110

interface Import {
  /** As written: `../core/address.ts`, `node:net`, `yaml`. */
  readonly from: string
  readonly typeOnly: boolean
  /** Names in braces; empty for every other form. */
  readonly names: readonly string[]
}

/** Good enough for this source, where no string holds a space and two slashes. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1')
}

/** Everything that a text imports: statements, re-exports, import() as expression and as type, createRequire(). */
function importsOf(text: string): Import[] {
  const code = withoutComments(text)
  const statements = code.matchAll(/^(?:import|export)\s+(?:([\w\s{},*$]*?)\s*\bfrom\s+)?'([^'\n]+)'/gm)
  const found = [...statements].map(([, clause = '', from = '']): Import => {
    const typeOnly = /^\s*type\b/.test(clause)
    const names = /\{([^}]*)\}/.exec(clause)?.[1]?.split(',') ?? []
    return { from, typeOnly, names: names.map((name) => name.trim()).filter((name) => name !== '') }
  })
  for (const [, from = ''] of code.matchAll(/(?:\bimport|createRequire\([^)]*\))\(\s*'([^'\n]+)'\s*\)/g)) {
    found.push({ from, typeOnly: false, names: [] })
  }
  return found
}

interface SourceFile {
  /** Below src: `plane/net/wire.ts`. */
  readonly path: string
  readonly text: string
  /** Without comments. */
  readonly code: string
  readonly imports: readonly Import[]
}

const root = new URL('../src/', import.meta.url)
const files: readonly SourceFile[] = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((path) => /\.(ts|mjs)$/.test(path))
  .sort()
  .map((path) => {
    const text = readFileSync(new URL(path, root), 'utf8')
    return { path, text, code: withoutComments(text), imports: importsOf(text) }
  })

/** `core`, `plane/net`, `app.ts`. */
function folderOf(path: string): string {
  const [first = '', second] = path.split('/')
  return first === 'plane' && second !== undefined ? `plane/${second}` : first
}

/** The imported file below src; undefined when it is a package or a part of Node. */
function target(file: SourceFile, from: string): string | undefined {
  return from.startsWith('.') ? posix.join(posix.dirname(file.path), from) : undefined
}

function edges(file: SourceFile): string[] {
  return [...new Set(file.imports.flatMap(({ from }) => target(file, from) ?? []))]
}

function packageOf(from: string): string | undefined {
  if (from.startsWith('.') || from.startsWith('node:')) return undefined
  return from.split('/', from.startsWith('@') ? 2 : 1).join('/')
}

const forbidden = files.flatMap((file) =>
  edges(file)
    .filter((to) => folderOf(to) !== folderOf(file.path))
    .filter(
      (to) => !mayImport[folderOf(file.path)]?.some((allowed) => allowed === folderOf(to) || allowed === to),
    )
    .map((to) => `${file.path} → ${to}`),
)

const cycles = findCycles()

function findCycles(): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]))
  const done = new Set<string>()
  const found: string[] = []
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path)
    if (at !== -1) {
      found.push([...trail.slice(at), path].join(' → '))
      return
    }
    const file = byPath.get(path)
    if (done.has(path) || file === undefined) return
    for (const to of edges(file)) visit(to, [...trail, path])
    done.add(path)
  }
  for (const { path } of files) visit(path, [])
  return found
}

const exits = files
  .filter(
    ({ path, code }) =>
      !/^(main\.ts|cli\.mjs|demo\/gateway\.ts)$/.test(path) && /\bprocess\.exit\(/.test(code),
  )
  .map(({ path }) => `${path} exits`)

function unknown(violations: readonly string[]): string[] {
  return violations.filter((violation) => !(violation in known))
}

test('the scanner sees every form of an import, and none in a comment', (t) => {
  const text = `
// import { a } from 'a'
/* import { b } from 'b' */
import type { C } from 'c'
import { type D, d } from './d.ts' // import 'd2'
import 'e'
export { f } from 'f'
export * from 'g'
const { h } = await import('h')
const i: typeof import('i') = createRequire(import.meta.url)('i2')
import {
  j,
} from 'j'
const url = 'https://example.com/'; const k = () => import('k')
export const l = 'l'
`
  const found = importsOf(text)
  t.deepEqual(found.map(({ from }) => from).sort(), ['./d.ts', 'c', 'e', 'f', 'g', 'h', 'i', 'i2', 'j', 'k'])
  t.deepEqual(found[0], { from: 'c', typeOnly: true, names: ['C'] })
  t.deepEqual(found[1]?.names, ['type D', 'd'])
})

test('every import leads to a file, a part of Node, or a package that package.json names', (t) => {
  const paths = new Set(files.map(({ path }) => path))
  const manifest = JSON.parse(readFileSync(new URL('../package.json', root), 'utf8'))
  const packages = new Set(Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }))
  const lost = files.flatMap((file) =>
    file.imports
      .filter(({ from }) => {
        const to = target(file, from)
        const name = packageOf(from)
        return to === undefined ? name !== undefined && !packages.has(name) : !paths.has(to)
      })
      .map(({ from }) => `${file.path} → ${from}`),
  )
  t.deepEqual(lost, [])
  t.true(files.length > 50)
})

test('every folder of src has its rule', (t) => {
  t.deepEqual(
    files.map(({ path }) => folderOf(path)).filter((folder) => !(folder in mayImport)),
    [],
  )
})

test('dependencies go in one direction', (t) => {
  t.deepEqual(unknown(forbidden), [])
})

test('there is no cycle, types included', (t) => {
  t.deepEqual(unknown(cycles), [])
})

test('only main.ts, cli.mjs and a process of the demo exit', (t) => {
  t.deepEqual(unknown(exits), [])
})

test('the list of known violations holds nothing that is mended', (t) => {
  const found = new Set([...forbidden, ...cycles, ...exits])
  t.deepEqual(
    Object.keys(known).filter((violation) => !found.has(violation)),
    [],
  )
})

test('core and protocol know of Node only what looks at an address or a number', (t) => {
  const impure = files
    .filter(({ path }) => /^(core|protocol)\//.test(path))
    .flatMap((file) =>
      file.imports
        .filter(({ from }) => !from.startsWith('.'))
        .filter(({ from, names }) => names.length === 0 || names.some((name) => !pure[from]?.has(name)))
        .map(({ from, names }) => `${file.path} → ${from} ${names.join(', ')}`),
    )
  t.deepEqual(impure, [])
})

test('core reads no clock, makes no timer and draws no random number', (t) => {
  const impure =
    /\bDate\.now\(|\bperformance\.|\bset(Timeout|Interval|Immediate)\(|\bMath\.random\(|\bprocess\./
  t.deepEqual(
    files.filter(({ path, code }) => path.startsWith('core/') && impure.test(code)).map(({ path }) => path),
    [],
  )
})

test('session takes time from the plane and never from libuv', (t) => {
  const clock = /\bset(Timeout|Interval|Immediate)\(|\bAbortSignal\.timeout\(|\bDate\.now\(|\bperformance\./
  t.deepEqual(
    files.filter(({ path, code }) => path.startsWith('session/') && clock.test(code)).map(({ path }) => path),
    [],
  )
})

test('what session knows of a plane are its types', (t) => {
  const values = files
    .filter(({ path }) => path.startsWith('session/'))
    .flatMap((file) =>
      file.imports
        .filter(({ from, typeOnly }) => folderOf(target(file, from) ?? '') === 'plane/plane.ts' && !typeOnly)
        .map(({ from }) => `${file.path} → ${from}`),
    )
  t.deepEqual(values, [])
})

for (const [name, owner] of Object.entries(owners)) {
  test(`${name} is imported only where it belongs`, (t) => {
    const importers = files.filter(({ imports }) => imports.some(({ from }) => packageOf(from) === name))
    t.deepEqual(
      importers.map(({ path }) => path).filter((path) => !owner.test(path)),
      [],
    )
    t.not(importers.length, 0, 'nobody imports it: it can leave package.json')
  })
}

test('no file is a barrel', (t) => {
  const barrels = files.filter(({ path, text }) => {
    const exported = text.match(/^export\b.*$/gm) ?? []
    const passedOn = exported.filter((line) => /^export (type )?[{*]/.test(line))
    const everything = /^export (type )?\*/m.test(text)
    return (
      /(^|\/)index\.ts$/.test(path) ||
      everything ||
      (exported.length > 0 && passedOn.length === exported.length)
    )
  })
  t.deepEqual(
    barrels.map(({ path }) => path),
    [],
  )
})

test(`no comment is wider than the code, ${widestComment} columns`, (t) => {
  const isComment = (line: string) => /^\s*(?:\/\/ |\/\*\*|\* )|\s\/\/ /.test(line)
  t.deepEqual(
    files
      .flatMap(({ path, text }) => text.split('\n').map((line) => ({ path, line })))
      .filter(({ line }) => line.length > widestComment && isComment(line)),
    [],
  )
})

test(`no file is longer than ${longestFile} lines`, (t) => {
  t.deepEqual(
    files
      .map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
      .filter(({ path, lines }) => lines > (longerFiles[path] ?? longestFile)),
    [],
  )
})
