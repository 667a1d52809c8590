/**
 * Makes spliceway_VERSION_ARCHITECTURE.deb of this checkout, as `npm ci` left it:
 *
 *   node packaging/debian/build.ts [--out FOLDER] [--package FILE] [--node FILE] [--compression xz]
 *
 * `--package` is what `npm pack` made, which is done where it is not given; `--node` a program in the place of the Node that
 * npm installed; `--compression` is dpkg-deb's -Z: xz, gzip, none. The same sources and tools make the same bytes: every time is
 * SOURCE_DATE_EPOCH, or the last commit's. Needs binutils' strip and dpkg-deb.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'
import { packagedSocket, packagedUnit } from './unit.ts'

const here = import.meta.dirname
const checkout = join(here, '../..')
const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: '.' },
    package: { type: 'string' },
    node: { type: 'string' },
    compression: { type: 'string', default: 'xz' },
  },
})
const place = mkdtempSync(join(tmpdir(), 'spliceway-deb-'))
process.on('exit', () => rmSync(place, { recursive: true, force: true }))
const root = join(place, 'root')
const library = join(root, 'usr/lib/spliceway')

/** Seconds since 1970. */
function epoch(): number {
  const given = process.env.SOURCE_DATE_EPOCH
  if (given !== undefined) return Number(given)
  return Number(execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: checkout, encoding: 'utf8' }))
}

function read(file: string): string {
  return readFileSync(file, 'utf8')
}

function put(path: string, data: string | Buffer): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), data)
}

/** Its head has no time, so that the bytes depend on the text alone. */
function gzipped(text: string): Buffer {
  return gzipSync(text, { level: 9 })
}

const licenseFile = /^(licen[cs]e|copying|notice)/i
const otherFolders = /^(\..*|tests?|docs|examples?|bench(marks?)?|node_modules|include|share)$/
/** Node strips no types under node_modules, and nothing is compiled. */
const otherFiles = /^\.|\.(md|html|map|[cm]?ts|cc?|hh?|inc|def|[sS]|asm)$/

/** Whether a program that uses a package reads this file of it, or a lawyer does. */
function isNeeded(path: string): boolean {
  const [first = '', ...rest] = path.split('/')
  const last = rest.at(-1) ?? first
  if (path === 'bin/node') return false // it is copied apart
  return !otherFolders.test(first) && (!otherFiles.test(last) || licenseFile.test(last))
}

/** The program, and the packages that it needs, by the list that an installation by npm goes by. */
function program(): readonly string[] {
  const tarball = values.package ?? packed()
  mkdirSync(library, { recursive: true })
  execFileSync('tar', ['-xzf', resolve(tarball), '-C', library, '--strip-components=1', '--no-same-owner'])
  const shrinkwrap = JSON.parse(read(join(library, 'npm-shrinkwrap.json'))).packages
  // npm leaves out what is for another processor.
  const paths = Object.keys(shrinkwrap).filter((path) => path !== '' && existsSync(join(checkout, path)))
  for (const path of paths)
    cpSync(join(checkout, path), join(library, path), {
      recursive: true,
      filter: (file) => isNeeded(file.slice(join(checkout, path).length + 1)),
    })
  const node = `node_modules/node-linux-${process.arch}`
  mkdirSync(join(library, node, 'bin'), { recursive: true })
  cpSync(values.node ?? join(checkout, node, 'bin/node'), join(library, node, 'bin/node'))
  execFileSync('strip', ['--strip-unneeded', join(library, node, 'bin/node')])
  // Bindings for musl.
  rmSync(join(library, `node_modules/@koromix/koffi-linux-${process.arch}/musl_${process.arch}`), {
    recursive: true,
    force: true,
  })
  removeEmpty(library)
  return paths
}

function packed(): string {
  const argv = ['pack', '--silent', '--pack-destination', place]
  const name = execFileSync('npm', argv, { cwd: checkout, encoding: 'utf8' }).trim().split('\n').at(-1)
  return join(place, name ?? '')
}

/** Where Debian looks for them. */
function files(paths: readonly string[]): void {
  const documents = 'usr/share/doc/spliceway'
  const taken = (path: string): string => {
    const text = read(join(library, path))
    rmSync(join(library, path))
    return text
  }
  mkdirSync(join(root, 'usr/bin'), { recursive: true })
  symlinkSync('../lib/spliceway/bin/spliceway', join(root, 'usr/bin/spliceway'))
  put('usr/share/man/man8/spliceway.8.gz', gzipped(taken('docs/spliceway.8')))
  put('usr/share/bash-completion/completions/spliceway', taken('dist/completion/bash/spliceway'))
  put('usr/share/zsh/vendor-completions/_spliceway', taken('dist/completion/zsh/_spliceway'))
  put('usr/share/fish/vendor_completions.d/spliceway.fish', taken('dist/completion/fish/spliceway.fish'))
  put(`${documents}/changelog.gz`, gzipped(taken('CHANGELOG.md')))
  put(`${documents}/README.md`, taken('README.md'))
  put(`${documents}/SECURITY.md`, taken('SECURITY.md'))
  for (const name of ['minimal.yaml', 'reference.yaml', 'schema.json'])
    put(`${documents}/examples/${name}`, taken(`config/${name}`))
  for (const name of ['keepalived.conf', 'systemd/spliceway.service.d/notify-reload.conf'])
    put(`${documents}/examples/${name.replace(/.*\//, '')}`, read(join(checkout, 'config', name)))
  for (const path of ['docs', 'dist/completion', 'config', 'LICENSE', 'npm-shrinkwrap.json'])
    rmSync(join(library, path), { recursive: true })

  const systemd = join(checkout, 'config/systemd')
  put('usr/lib/systemd/system/spliceway.service', packagedUnit(read(join(systemd, 'spliceway.service'))))
  put('usr/lib/systemd/system/spliceway.socket', packagedSocket(read(join(systemd, 'spliceway.socket'))))
  put('usr/lib/sysusers.d/spliceway.conf', read(join(here, 'spliceway.sysusers')))
  put('usr/lib/spliceway/after-update', read(join(here, 'after-update')))
  put('etc/spliceway/spliceway.yaml', read(join(here, 'spliceway.yaml')))
  put('usr/share/lintian/overrides/spliceway', read(join(here, 'lintian-overrides')))
  const licenses = paths.map((path) => {
    const { name, version, license } = JSON.parse(read(join(library, path, 'package.json')))
    return `  ${name} ${version}: ${license}`
  })
  put(`${documents}/copyright`, read(join(here, 'copyright')).replace('@PACKAGES@', licenses.join('\n')))
}

/** What dpkg reads about the package. Its maintainer is DEBFULLNAME <DEBEMAIL>, as with Debian's own tools. */
function control(seconds: number): string {
  const { version } = JSON.parse(read(join(library, 'package.json')))
  // 1.0.0-rc.1 comes before 1.0.0.
  const debian = `${version.replace('-', '~')}-1`
  const { DEBFULLNAME: name = 'spliceway', DEBEMAIL: address = 'spliceway@users.noreply.github.com' } =
    process.env
  const maintainer = `${name} <${address}>`
  const date = new Date(seconds * 1000).toUTCString().replace('GMT', '+0000')
  const change = `spliceway (${debian}) unstable; urgency=medium\n\n  * What changed: changelog.gz.\n\n -- ${maintainer}  ${date}\n`
  put('usr/share/doc/spliceway/changelog.Debian.gz', gzipped(change))

  const all = everything(root)
  const size = all.reduce((sum, { stat }) => sum + (stat.isFile() ? Math.ceil(stat.size / 1024) : 1), 0)
  const architecture = architectures[process.arch] ?? process.arch
  const fields = {
    VERSION: debian,
    ARCHITECTURE: architecture,
    MAINTAINER: maintainer,
    INSTALLED_SIZE: String(size),
  }
  const text = read(join(here, 'control')).replace(
    /@(\w+)@/g,
    (whole, key) => Reflect.get(fields, key) ?? whole,
  )
  const sums = all
    .filter(({ stat, path }) => stat.isFile() && !path.startsWith('etc/'))
    .map(
      ({ path }) =>
        `${createHash('md5')
          .update(readFileSync(join(root, path)))
          .digest('hex')}  ${path}\n`,
    )
  put('DEBIAN/control', text)
  put('DEBIAN/conffiles', '/etc/spliceway/spliceway.yaml\n')
  put('DEBIAN/md5sums', sums.join(''))
  for (const script of ['postinst', 'prerm', 'postrm']) put(`DEBIAN/${script}`, read(join(here, script)))
  return `spliceway_${debian}_${architecture}.deb`
}

function everything(folder: string) {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).toSorted()
  return paths.map((path) => ({ path, stat: lstatSync(join(folder, path)) }))
}

function removeEmpty(folder: string): void {
  for (const { path, stat } of everything(folder).toReversed())
    if (stat.isDirectory() && readdirSync(join(folder, path)).length === 0) rmdirSync(join(folder, path))
}

/** Modes and times that depend on nobody's umask and clock. */
function settle(seconds: number): void {
  const executable =
    /^(DEBIAN\/(postinst|prerm|postrm)|usr\/lib\/spliceway\/(bin\/spliceway|after-update|node_modules\/node-linux-\w+\/bin\/node))$/
  for (const { path, stat } of everything(root)) {
    const file = join(root, path)
    if (!stat.isSymbolicLink()) chmodSync(file, stat.isDirectory() || executable.test(path) ? 0o755 : 0o644)
  }
  for (const { path } of everything(root).toReversed()) lutimesSync(join(root, path), seconds, seconds)
  chmodSync(root, 0o755)
  lutimesSync(root, seconds, seconds)
}

const seconds = epoch()
files(program())
const name = control(seconds)
settle(seconds)
const built = join(place, name)
const out = join(resolve(values.out), name)
execFileSync('dpkg-deb', ['--root-owner-group', `-Z${values.compression}`, '--build', root, built], {
  env: { ...process.env, SOURCE_DATE_EPOCH: String(seconds) },
  stdio: ['ignore', 'ignore', 'inherit'],
})
// Whole or not at all, whoever else builds there.
cpSync(built, `${out}.${process.pid}`)
renameSync(`${out}.${process.pid}`, out)
console.log(out)
