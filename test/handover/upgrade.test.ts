import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { NotifySocket } from '../helpers/notify-socket.ts'
import { Backend, closedPort, echo } from '../helpers/peer.ts'
import { Program, run } from '../helpers/program.ts'
import { Load } from './load.ts'
import { LongLived } from './long-lived.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
let scenes = 0

/** An installation that the test may change: its own sources, and the packages of this checkout. */
function installation(folder: string, version: string): string {
  mkdirSync(folder)
  for (const part of ['bin', 'src']) cpSync(join(root, part), join(folder, part), { recursive: true })
  const text = readFileSync(join(root, 'package.json'), 'utf8')
  writeFileSync(join(folder, 'package.json'), text.replace(/"version": "[^"]+"/, `"version": "${version}"`))
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  return folder
}

/** A program that serves, with a backend behind it, and a configuration that the test may change. */
async function scene(t: ExecutionContext) {
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-upgrade-'))
  chmodSync(folder, 0o700)
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const backend = await Backend.start({ onPeer: echo })
  t.teardown(() => backend.close())
  const port = await closedPort()
  const socket = join(folder, 'admin.sock')
  const file = join(folder, 'spliceway.yaml')
  const name = `spliceway-test-${process.pid}-upgrade-${++scenes}`
  const configure = (change: { listeners?: string; handover?: string } = {}): void => {
    const more = change.listeners ?? ''
    writeFileSync(
      file,
      `listeners: [{ name: main, listen: "127.0.0.1:${port}", pool: echo }${more}]
pools: { echo: { endpoints: ["127.0.0.1:${backend.port}"], health: off } }
workers: 1
handover: { socket: ${change.handover ?? `"@${name}"`}, secret: "${folder}/secret" }
drain: { notReadyDelay: 0s, window: 1s, deadline: 60s }
admin: { listen: off, socket: "${socket}" }
log: { access: none }
`,
    )
  }
  configure()
  const start = async (argv: readonly string[], env: Readonly<Record<string, string>> = {}) => {
    const program = await Program.start(argv, { env: { CACHE_DIRECTORY: folder, ...env } })
    t.teardown(() => program.kill())
    await program.line(/listening on/)
    return program
  }
  const upgrade = () => run([join(root, 'bin/spliceway'), 'upgrade', '--socket', socket])
  const serving = async (): Promise<{ pid: number; version: string }> => {
    const said = await run([join(root, 'bin/spliceway'), 'status', '--json', '--socket', socket])
    return JSON.parse(said.out)
  }
  return { folder, port, file, configure, start, upgrade, serving }
}

/** Of a process, at its start. */
function environmentOf(pid: number): readonly string[] {
  return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0')
}

test.serial(
  'upgrade: the running process starts the next one, hands over, tells the service manager, and carries what it has to its end',
  async (t) => {
    t.timeout(90_000)
    const { folder, port, file, start, upgrade, serving } = await scene(t)
    const manager = new NotifySocket(join(folder, 'notify.sock'))
    t.teardown(() => manager.close())
    // As the unit starts it; a shell would be another process than the one that WATCHDOG_PID means.
    const cli = ['--disable-sigusr1', join(root, 'src/cli.mjs'), 'run', '-c', file]
    const script = `WATCHDOG_PID=$$ WATCHDOG_USEC=30000000 LISTEN_PID=$$ LISTEN_FDS=0 LISTEN_FDNAMES= exec "$0" "$@"`
    const old = await start(['sh', '-c', script, process.execPath, ...cli], { NOTIFY_SOCKET: manager.name })
    await manager.message(/^READY=1/)
    const held = await LongLived.open(3, port)
    const load = new Load(port, 200)
    const said = await upgrade()
    const figures = await load.stop()
    t.log(JSON.stringify(figures))
    t.like(figures, { refused: 0, reset: 0, unanswered: 0, served: figures.made })
    t.is(said.err, '')
    t.is(said.code, 0)
    const { pid } = await serving()
    t.not(pid, old.pid)
    const [checked, started, offered, accepts, done] = said.out.split('\n')
    t.is(checked, 'the installed version takes the configuration')
    t.is(started, `started: pid ${pid}`)
    t.regex(offered ?? '', /^version \S+ has the listening sockets, and begins$/)
    t.regex(accepts ?? '', /^it accepts; this process serves again if it fails/)
    t.regex(
      done ?? '',
      new RegExp(`^pid ${pid} serves, version \\S+; connections left in this one, pid ${old.pid}: 3;`),
    )

    const told = await manager.message(/^MAINPID=/)
    t.deepEqual(told, { pid: old.pid, text: `MAINPID=${pid}` })
    t.is((await manager.message(/^READY=1/, 1)).pid, pid)
    const environment = environmentOf(pid)
    t.deepEqual(
      environment.filter((each) => /^(WATCHDOG_PID|LISTEN_)/.test(each)),
      [],
    )
    t.true(environment.includes('WATCHDOG_USEC=30000000'), 'it feeds the watchdog')
    t.is(readFileSync(`/proc/${pid}/cgroup`, 'utf8'), readFileSync(`/proc/${old.pid}/cgroup`, 'utf8'))
    t.true(old.lines.some((line) => line.includes('"proven":true')))

    await held.ask()
    await held.close()
    await old.line(/"msg":"stopped"/)
    t.deepEqual(
      manager.messages.slice(manager.messages.indexOf(told) + 1).filter((each) => each.pid === old.pid),
      [],
      'its own end is not the end of the service',
    )
    const later = await LongLived.open(1, port)
    await later.close()
  },
)

test.serial(
  'upgrade: by the launcher, through a link, the version is the one to which the link leads by then',
  async (t) => {
    t.timeout(90_000)
    const { folder, file, start, upgrade, serving } = await scene(t)
    installation(join(folder, 'one'), '0.1.1')
    installation(join(folder, 'two'), '0.1.2')
    const link = join(folder, 'current')
    symlinkSync('one', link)
    const old = await start([join(link, 'bin/spliceway'), 'run', '-c', file])
    t.like(await serving(), { pid: old.pid, version: '0.1.1' })
    unlinkSync(link)
    symlinkSync('two', link)
    const said = await upgrade()
    t.is(said.err, '')
    t.is(said.code, 0)
    const { pid, version } = await serving()
    t.is(version, '0.1.2')
    t.regex(said.out, new RegExp(`pid ${pid} serves, version 0\\.1\\.2; nothing is left in this one`))
    t.is(readFileSync(`/proc/${pid}/comm`, 'latin1'), 'spliceway\n', 'no shell stays before it')
    // And once more: the one that was started so can do it too.
    const again = await upgrade()
    t.is(again.code, 0, again.err)
    t.not((await serving()).pid, pid)
  },
)

test.serial(
  'upgrade: a newcomer that fails leaves the old one serving, and its words are printed',
  async (t) => {
    t.timeout(90_000)
    const { folder, port, file, configure, start, upgrade, serving } = await scene(t)
    const place = installation(join(folder, 'installed'), '0.1.1')
    const old = await start([process.execPath, join(place, 'src/cli.mjs'), 'run', '-c', file])
    const held = await LongLived.open(1, port)
    const fails = async (words: RegExp): Promise<void> => {
      const said = await upgrade()
      t.is(said.code, 1, said.out)
      t.regex(said.err, words)
      t.like(await serving(), { pid: old.pid })
      await held.ask()
    }

    writeFileSync(file, 'listeners: {}\nnonsense: 1\n')
    await fails(
      /^this process serves on: the installed version does not take the configuration \(exit code 78\):\n[\s\S]*nonsense[\s\S]*\n$/,
    )

    const stranger = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => stranger.once('listening', resolve))
    const address = stranger.address()
    const taken = typeof address === 'object' ? address?.port : 0
    configure({ listeners: `, { name: more, listen: "127.0.0.1:${taken}", pool: echo }` })
    await fails(
      /^this process serves on: the new one, pid \d+, has not taken over: it ended with exit code 75\n/,
    )
    await fails(new RegExp(`\nspliceway: cannot listen on 127\\.0\\.0\\.1:${taken}: the port is taken`))
    stranger.close()
    configure()

    // The program is broken, but for the check.
    const cli = join(place, 'src/cli.mjs')
    const good = readFileSync(cli, 'utf8')
    writeFileSync(cli, `if (!process.argv.includes('check')) process.exit(3)\n`)
    await fails(/has not taken over: it ended with exit code 3$/m)
    unlinkSync(cli)
    await fails(
      /^this process serves on: the installed version does not take the configuration \(exit code 1\):\n[\s\S]*Cannot find module/,
    )
    writeFileSync(cli, good)

    // It hangs as soon as it accepts: the old one takes its place back.
    writeFileSync(
      join(place, 'src/handover/probation.ts'),
      `import { writeFileSync } from 'node:fs'
export const longestProbationMs = 8_000
export async function prove() {
  process.kill(process.pid, 'SIGSTOP')
  return { kind: 'settled' }
}
`,
    )
    await fails(/has not taken over: it is still there \(it gave no sign of life for 3000 ms\)/)
    t.true(old.lines.some((line) => /this process accepts again/.test(line)))
    await held.close()
  },
)

test.serial('upgrade: without handover.socket it is refused, and told how to set it up', async (t) => {
  const { file, configure, start, upgrade } = await scene(t)
  configure({ handover: 'off' })
  await start([process.execPath, join(root, 'src/cli.mjs'), 'run', '-c', file])
  const said = await upgrade()
  t.deepEqual(
    [said.code, said.out, said.err],
    [
      1,
      '',
      'no upgrade: handover.socket is off: set it, for example to "@spliceway", and restart the program once\n',
    ],
  )
})
