import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import koffi from 'koffi'
import { commands } from '../../src/command/commands.ts'
import { startLoad } from '../helpers/load.ts'
import { NetworkNamespace, namespacesMissing } from '../helpers/netns.ts'
import { dialPeer } from '../helpers/peer.ts'
import { Program, run } from '../helpers/program.ts'
import { checkout } from '../packaging/image.ts'
import { OtherRoot } from '../packaging/other-root.ts'
import { type Packed, pack } from '../packaging/package.ts'
import { limitedAs, parseUnit } from '../packaging/unit.ts'

/** Why no package can be made here; null when it can. */
function whyNoBuild(): string | null {
  for (const tool of ['dpkg-deb', 'strip'])
    if (spawnSync(tool, ['--version']).status !== 0) return `needs ${tool}`
  return null
}

const noBuild = whyNoBuild()
const noInstall = noBuild ?? namespacesMissing()
const noLintian = noBuild ?? (spawnSync('lintian', ['--version']).status === 0 ? null : 'needs lintian')
const word = (reason: string | null): string => (reason === null ? '' : ` (skipped: ${reason})`)
const building = noBuild === null ? test : test.skip

let packed: Packed

const folder = mkdtempSync(join(tmpdir(), 'spliceway-deb-'))
/** Of the package that lintian reads. */
let first: Promise<string>

/** What lintian says of it, while the other tests run. */
let looked: Promise<{ readonly code: number | null; readonly lines: readonly string[] }>

test.before(async () => {
  if (noBuild !== null) return
  packed = await pack()
  first = small(join(folder, 'first'))
  if (noLintian === null) looked = lint()
})

async function lint() {
  const argv = ['lintian', '--allow-root', '--tag-display-limit', '0', await first]
  const program = await Program.start(argv)
  const { code } = await program.exit
  return { code, lines: program.lines }
}

test.after.always(() => {
  rmSync(folder, { recursive: true, force: true })
  if (packed !== undefined) rmSync(packed.folder, { recursive: true })
})

async function build(tarball: string, ...options: readonly string[]): Promise<string> {
  const script = join(checkout, 'packaging/debian/build.ts')
  const argv = [process.execPath, script, '--package', tarball, ...options]
  const said = await run(argv, { env: { SOURCE_DATE_EPOCH: '1767225600' } })
  if (said.code !== 0) throw new Error(said.err)
  return said.out.trim()
}

/** A package as large as its modules: its Node is a small program, which is quick to look at. */
function small(folder: string): Promise<string> {
  mkdirSync(folder)
  return build(packed.tarball, '--out', folder, '--node', '/bin/true', '--compression', 'gzip')
}

building(`building twice gives the same bytes${word(noBuild)}`, async (t) => {
  t.timeout(120_000)
  const hash = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex')
  t.is(hash(await small(join(folder, 'second'))), hash(await first))
})

const withLintian = noLintian === null ? test : test.skip

withLintian(`lintian finds no error and no warning${word(noLintian)}`, async (t) => {
  t.timeout(240_000)
  const { code, lines } = await looked
  t.deepEqual([code, lines], [0, []])
})

/** The same package, one version on. */
async function next(): Promise<string> {
  const parts = join(folder, 'parts')
  mkdirSync(parts)
  spawnSync('tar', ['-xzf', packed.tarball, '-C', parts])
  const file = join(parts, 'package/package.json')
  writeFileSync(file, readFileSync(file, 'utf8').replace(/"version": "[^"]+"/, '"version": "999.0.0"'))
  const tarball = join(folder, 'next.tgz')
  spawnSync('tar', ['-czf', tarball, '-C', parts, 'package'])
  return tarball
}

/** Ports as systemd holds them for a socket unit: `[::]:80`, IPv4 too. */
function listening(port: number): number {
  const lib = koffi.load('libc.so.6')
  const socket = lib.func('int socket(int, int, int)')
  const bind = lib.func('int bind(int, const void *, uint32_t)')
  const listen = lib.func('int listen(int, int)')
  const address = Buffer.alloc(28) // struct sockaddr_in6
  address.writeUInt16LE(10, 0)
  address.writeUInt16BE(port, 2)
  const fd = socket(10, 1 | 0o2000000, 0) // AF_INET6, SOCK_STREAM | SOCK_CLOEXEC
  if (fd < 0 || bind(fd, address, address.length) !== 0 || listen(fd, 4096) !== 0)
    throw new Error(`[::]:${port}: errno ${koffi.errno()}`)
  return fd
}

/** In the place of systemctl(1): the service is active, and a restart is the test's. */
const systemctl = `#!/bin/sh
echo "systemctl $*" >>/run/asked
case " $* " in
  *' is-active '*spliceway.socket*) [ -e /run/socket-active ] ;;
  *' is-active '*) [ -e /run/active ] ;;
  *' is-enabled '*) echo disabled; exit 1 ;;
  *' restart '*) echo "to be restarted: $*"; read -r _ </run/restarted ;;
esac
`

const unitFile = '/usr/lib/systemd/system/spliceway.service'

/** A machine that the package is installed on, and what systemd would do there. */
class Machine {
  readonly root: OtherRoot
  readonly #t: ExecutionContext
  readonly #sockets: readonly number[]

  constructor(t: ExecutionContext, root: OtherRoot) {
    this.#t = t
    this.root = root
    this.#sockets = [listening(80), listening(443)]
    mkdirSync(root.path('/run/systemd/system'), { recursive: true })
    for (const [path, text] of [
      ['/usr/bin/systemctl', systemctl],
      ['/usr/sbin/policy-rc.d', '#!/bin/sh\nexit 0\n'],
    ] as const) {
      rmSync(root.path(path), { force: true })
      writeFileSync(root.path(path), text, { mode: 0o755 })
    }
    // Its trigger would read every manual page of this machine.
    rmSync(root.path('/var/lib/man-db/auto-update'), { force: true })
    spawnSync('mkfifo', [root.path('/run/restarted')])
  }

  say(...words: readonly string[]) {
    return run([...this.root.command, ...words])
  }

  /** To its end. */
  async must(...words: readonly string[]): Promise<string> {
    const { code, out, err } = await this.say(...words)
    if (code !== 0) throw new Error(`${words.join(' ')}: ${out}${err}`)
    return out + err
  }

  read(path: string): string {
    return readFileSync(this.root.path(path), 'utf8')
  }

  /** By the unit's ExecStart, user and limits, with the sockets of its socket unit. */
  async start(): Promise<Program> {
    const unit = parseUnit(this.read(unitFile))
    const [name = ''] = unit.get('Service.User') ?? []
    const [, , uid, gid] =
      this.read('/etc/passwd')
        .match(new RegExp(`^${name}:.*$`, 'm'))?.[0]
        .split(':') ?? []
    for (const folder of ['/run/spliceway', '/var/cache/spliceway'])
      chownSync(this.root.make(folder), Number(uid), Number(gid))
    const command = unit.get('Service.ExecStart')?.[0]?.split(' ') ?? []
    const program = await Program.start(
      [...this.root.command, ...limitedAs(`${uid}:${gid}`, unitFile, unit), ...command],
      {
        env: {
          ...{ RUNTIME_DIRECTORY: '/run/spliceway', CACHE_DIRECTORY: '/var/cache/spliceway' },
          CONFIGURATION_DIRECTORY: '/etc/spliceway',
          ...{ LISTEN_FDS: '2', LISTEN_FDNAMES: 'spliceway:spliceway' },
        },
        descriptors: this.#sockets,
      },
    )
    this.#t.teardown(() => program.kill())
    await program.line(/admin socket open/)
    return program
  }

  asked(): readonly string[] {
    return existsSync(this.root.path('/run/asked')) ? this.read('/run/asked').trim().split('\n') : []
  }
}

const upgrades = commands.some(({ name }) => String(name) === 'upgrade')
const life = noInstall === null ? test.serial : test.serial.skip

life(
  `installed, started as its unit says, updated under load without a failure, purged without a trace${word(noInstall)}`,
  async (t) => {
    t.timeout(240_000)
    const installed = await build(packed.tarball, '--out', folder, '--compression', 'none')
    const update = await build(await next(), '--out', folder, '--compression', 'none')
    const network = NetworkNamespace.create('deb')
    t.teardown(() => network.remove())
    t.teardown(network.enter())
    const root = await OtherRoot.open()
    t.teardown(() => root.close())
    const machine = new Machine(t, root)

    await machine.must('dpkg', '--install', installed)
    const { version } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'))
    t.is(await machine.must('spliceway', 'version'), `spliceway ${version} (Node ${process.version})\n`)
    t.regex(await machine.must('ls', '-l', '/etc/spliceway/spliceway.yaml'), /^-rw-r--r-- 1 root root /)
    t.regex(await machine.must('man', '-w', 'spliceway'), /man8\/spliceway\.8\.gz/)
    t.deepEqual(
      machine.asked().filter((asked) => !/daemon-reload/.test(asked)),
      [],
      'what takes ports 80 and 443 waits until somebody starts it',
    )

    const load = await startLoad()
    t.teardown(() => load.kill())
    const file = '/etc/spliceway/spliceway.yaml'
    const edited = machine
      .read(file)
      .replace('127.0.0.1:9080', `127.0.0.1:${load.backend}`)
      .concat('drain: { notReadyDelay: 0s }\n')
    writeFileSync(root.path(file), edited)
    const old = await machine.start()
    writeFileSync(root.path('/run/active'), '')
    const client = await dialPeer(80)
    client.end('hello')
    t.is((await client.readAll()).bytes.toString(), 'hello')
    const rights = readFileSync(`/proc/${old.pid}/status`, 'utf8')
    t.regex(rights, /^Seccomp:\t2$/m)
    t.regex(rights, /^CapEff:\t0000000000000400$/m)

    await load.begin(80, 100, 0)
    const dpkg = await Program.start([...root.command, 'dpkg', '--install', update])
    t.teardown(() => dpkg.kill())
    // A program that has `upgrade` has replaced itself by then, and nobody asks for a restart.
    const asked = await dpkg.line(/to be restarted: .*restart spliceway\.service/, 0, 90_000).then(
      () => true,
      () => false,
    )
    t.is(asked, !upgrades)
    if (asked) {
      old.tell('SIGTERM')
      t.is((await old.exit).code, 0)
      await machine.start()
      await writeFile(root.path('/run/restarted'), 'done\n')
    }
    t.is((await dpkg.exit).code, 0, dpkg.lines.join('\n'))
    t.is(machine.read(file), edited, 'an edited configuration stays')
    const status = JSON.parse(await machine.must('spliceway', 'status', '--json'))
    t.is(status.version, '999.0.0')
    const { errors, served } = await load.stop()
    t.log(`${served} connections served`)
    t.deepEqual(errors, {})
    t.true(served > 50)

    await refusesToRestart(t, machine, file)
    await asksToUpgrade(t, machine)

    process.kill(status.pid, 'SIGTERM')
    await run(['tail', '--pid', String(status.pid), '--follow', '/dev/null'])
    rmSync(root.path('/run/active'))
    await machine.must('dpkg', '--purge', 'spliceway')
    t.true(machine.asked().some((asked) => /stop spliceway\.socket spliceway\.service$/.test(asked)))
    nothingLeft(t, machine)
  },
)

function restarts(machine: Machine): number {
  return machine.asked().filter((asked) => / restart /.test(asked)).length
}

/** What would end the service for nothing is not done. */
async function refusesToRestart(t: ExecutionContext, machine: Machine, file: string): Promise<void> {
  const before = restarts(machine)
  const good = machine.read(file)
  writeFileSync(machine.root.path(file), 'forward: { 80: nowhere }\n')
  t.regex(
    await machine.must('/usr/lib/spliceway/after-update'),
    /the version before keeps serving: .* refuses/,
  )
  writeFileSync(machine.root.path(file), good)
  writeFileSync(machine.root.path('/usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 101\n')
  t.regex(await machine.must('/usr/lib/spliceway/after-update'), /policy-rc\.d forbids/)
  t.is(restarts(machine), before)
  writeFileSync(machine.root.path('/usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 0\n')
}

/** A program that can replace itself is asked to; only one that cannot, with its ports in systemd's hands, is restarted. */
async function asksToUpgrade(t: ExecutionContext, machine: Machine): Promise<void> {
  const program = machine.root.path('/usr/local/sbin/spliceway')
  const answers = (code: number): void =>
    writeFileSync(
      program,
      `#!/bin/sh\ncase "$*" in\n'help upgrade') ;;\nupgrade) echo asked to; exit ${code} ;;\n*) exec /usr/bin/spliceway "$@" ;;\nesac\n`,
      { mode: 0o755 },
    )
  const before = restarts(machine)
  answers(0)
  t.regex(await machine.must('/usr/lib/spliceway/after-update'), /asked to\n$/)
  answers(1)
  t.regex(
    await machine.must('/usr/lib/spliceway/after-update'),
    /asked to\n.*the version before keeps serving/,
  )
  t.is(restarts(machine), before)
  writeFileSync(machine.root.path('/run/socket-active'), '')
  const asking = await Program.start([...machine.root.command, '/usr/lib/spliceway/after-update'])
  await asking.line(/to be restarted: .*restart spliceway\.service/)
  await writeFile(machine.root.path('/run/restarted'), 'done\n')
  t.is((await asking.exit).code, 0)
  rmSync(program)
}

/** Books that dpkg and mandb keep, and what the test put there. */
const books =
  /^(var\/(lib\/dpkg|log|cache\/man|cache\/ldconfig|tmp)\b|run\b|usr\/bin\/systemctl$|usr\/sbin\/policy-rc\.d$)/
const accounts = /^etc\/((passwd|group|shadow|gshadow)-?|\.pwd\.lock|subuid-?|subgid-?)$/

function nothingLeft(t: ExecutionContext, machine: Machine): void {
  const folders = machine.root.changes().filter((path) => existsSync(join('/', path)))
  const left = machine.root.changes().filter((path) => !folders.includes(path) && !books.test(path))
  t.deepEqual(
    left.filter((path) => !accounts.test(path)),
    [],
  )
  for (const name of ['passwd', 'group', 'shadow', 'gshadow'])
    t.is(machine.read(`/etc/${name}`), readFileSync(`/etc/${name}`, 'utf8'), name)
}
