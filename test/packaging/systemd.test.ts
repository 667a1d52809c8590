import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { parseConfig } from '../../src/config/parse.ts'
import { NotifySocket } from '../helpers/notify-socket.ts'
import { Program, run } from '../helpers/program.ts'
import { as, checkout, inOwnNetwork } from './image.ts'
import { limitedAs, parseUnit } from './unit.ts'

const text = readFileSync(join(checkout, 'config/systemd/spliceway.service'), 'utf8')

const unit = parseUnit(text)

function service(key: string): string | undefined {
  return unit.get(`Service.${key}`)?.join(' | ')
}

test('systemd waits for the program to serve, and ends one that hangs', (t) => {
  t.is(service('Type'), 'notify')
  t.is(service('NotifyAccess'), 'all', 'without koffi a child process tells')
  t.true(Number.parseFloat(service('WatchdogSec') ?? '') >= 20, 'twice what /livez gives a worker')
})

test('the drop-in for systemd 253 changes how a reload is told and nothing else', (t) => {
  const dropIn = readFileSync(join(checkout, 'config/systemd/spliceway.service.d/notify-reload.conf'), 'utf8')
  t.deepEqual(
    [...parseUnit(dropIn)],
    [
      ['Service.Type', ['notify-reload']],
      ['Service.ExecReload', ['']],
    ],
  )
})

test('the program that is started is the one of the checkout', (t) => {
  const [node = '', flag = '', cli = '', ...rest] = (service('ExecStart') ?? '').split(' ')
  t.is(node, '/opt/spliceway/node_modules/.bin/node')
  t.is(flag, '--disable-sigusr1')
  t.true(existsSync(cli.replace('/opt/spliceway', checkout)), cli)
  t.deepEqual(rest, ['run'])
})

test('a stop leaves the drain its time, and the signal goes to the main process only', (t) => {
  const parsed = parseConfig('forward: { 80: 127.0.0.1:9080 }', { file: 'default', env: {} })
  const deadlineMs = parsed.kind === 'ok' ? parsed.config.drain.deadlineMs : Number.NaN
  const stopMs = Number.parseFloat(service('TimeoutStopSec') ?? '') * 1000
  t.true(stopMs >= deadlineMs + 5_000)
  t.is(service('KillMode'), 'mixed')
  t.is(service('KillSignal') ?? 'SIGTERM', 'SIGTERM')
})

test('a reload is a hang-up', (t) => {
  t.is(service('ExecReload'), '/bin/kill -HUP $MAINPID')
})

test('it is not started again after an exit that trying again does not help', (t) => {
  t.is(service('Restart'), 'on-failure')
  t.is(service('RestartPreventExitStatus'), '2 78')
})

test('it may bind low ports and has no other right of root', (t) => {
  t.is(service('DynamicUser'), 'yes')
  t.is(service('AmbientCapabilities'), 'CAP_NET_BIND_SERVICE')
  t.is(service('CapabilityBoundingSet'), 'CAP_NET_BIND_SERVICE')
  t.is(service('NoNewPrivileges'), 'yes')
})

test('what the program needs is not taken from it', (t) => {
  const families = (service('RestrictAddressFamilies') ?? '').split(' ')
  t.deepEqual(families.toSorted(), ['AF_INET', 'AF_INET6', 'AF_NETLINK', 'AF_UNIX'])
  t.is(service('MemoryDenyWriteExecute'), undefined, 'the engine writes machine code')
  t.is(service('PrivateNetwork'), undefined)
  t.is(service('PrivateUsers'), undefined, 'its capability would not be the host’s')
  t.is(service('SystemCallErrorNumber'), 'EPERM')
  for (const key of ['ConfigurationDirectory', 'RuntimeDirectory', 'CacheDirectory'])
    t.is(service(key), 'spliceway')
})

test('there are descriptors for half a million connections', (t) => {
  t.true(Number(service('LimitNOFILE')) >= 1_000_000)
})

const systemd = spawnSync('systemd-analyze', ['--version']).status === 0
const withSystemd = systemd ? test : test.skip
const suffix = systemd ? '' : ' (skipped: no systemd-analyze here)'

/** The unit and its socket, with this checkout in the place of /opt/spliceway, in a folder that ends with the test. */
function units(t: ExecutionContext): { readonly service: string; readonly socket: string } {
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-unit-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const service = join(folder, 'spliceway.service')
  const socket = join(folder, 'spliceway.socket')
  writeFileSync(service, text.replaceAll('/opt/spliceway/', checkout))
  cpSync(join(checkout, 'config/systemd/spliceway.socket'), socket)
  return { service, socket }
}

function analyze(...args: readonly string[]) {
  return spawnSync('systemd-analyze', args, { encoding: 'utf8' })
}

withSystemd(`systemd finds nothing wrong with the unit and its socket${suffix}`, (t) => {
  const { service, socket } = units(t)
  const { status, stdout, stderr } = analyze('verify', service, socket)
  t.is(`${stdout}${stderr}`, '')
  t.is(status, 0)
})

withSystemd(`systemd rates the exposure of the unit at 2.0 or better${suffix}`, (t) => {
  const { status, stdout, stderr } = analyze('security', '--offline=true', '--threshold=20', units(t).service)
  t.is(status, 0, `${stdout}${stderr}`)
  const level = /Overall exposure level for spliceway\.service: ([\d.]+)/.exec(stdout)?.[1]
  t.log(`exposure level ${level}`)
  t.true(Number(level) <= 2)
})

/** Why the unit's limits cannot be applied here; null when they can. */
function whyNoLimits(): string | null {
  if (!systemd) return 'no systemd-analyze here'
  if (process.getuid?.() !== 0) return 'needs root: the unit starts as another user'
  if (spawnSync(inOwnNetwork[0], [...inOwnNetwork.slice(1), 'true']).status !== 0) return 'needs unshare'
  const [command = '', ...rest] = [...as('64080:64080'), 'test', '-r', join(checkout, 'package.json')]
  if (spawnSync(command, rest).status !== 0) return 'the checkout is in a folder that its user cannot read'
  return null
}

const noLimits = whyNoLimits()
const withLimits = noLimits === null ? test : test.skip
const noLimitsSuffix = noLimits === null ? '' : ` (skipped: ${noLimits})`

function asUnit(): readonly string[] {
  return limitedAs('64080:64080', join(checkout, 'config/systemd/spliceway.service'), unit)
}

withLimits(
  `under the limits of the unit the program binds port 80, moves bytes by splice and tells systemd so${noLimitsSuffix}`,
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'spliceway-unit-'))
    t.teardown(() => rmSync(folder, { recursive: true }))
    chmodSync(folder, 0o755)
    mkdirSync(join(folder, 'run'), { mode: 0o700 })
    chownSync(join(folder, 'run'), 64080, 64080)
    const file = join(folder, 'spliceway.yaml')
    writeFileSync(
      file,
      'forward: { 80: 127.0.0.1:9080 }\ndrain: { notReadyDelay: 0s, window: 0s, deadline: 1s }\n',
    )
    const manager = new NotifySocket(join(folder, 'notify'))
    t.teardown(() => manager.close())
    chmodSync(manager.name, 0o666)
    const cli = join(checkout, 'src/cli.mjs')
    const program = await Program.start(
      [...inOwnNetwork, ...asUnit(), process.execPath, cli, 'run', '-c', file],
      {
        env: {
          NOTIFY_SOCKET: manager.name,
          WATCHDOG_USEC: '200000',
          RUNTIME_DIRECTORY: join(folder, 'run'),
          NODE_COMPILE_CACHE: '',
        },
      },
    )
    t.teardown(() => program.kill())
    await program.line(/listening on \[::\]:80 /)
    await program.line(/bytes move by the splice plane: self-test passed/)
    await manager.message(/^READY=1/)
    await manager.message(/^WATCHDOG=1/)
    const limits = readFileSync(`/proc/${program.pid}/status`, 'utf8')
    t.regex(limits, /^Seccomp:\t2$/m)
    t.regex(limits, /^NoNewPrivs:\t1$/m)
    t.regex(limits, /^CapBnd:\t0000000000000400$/m)
    t.regex(limits, /^Uid:\t64080\t/m)
    program.tell('SIGHUP')
    await manager.message(/^RELOADING=1/)
    program.tell('SIGTERM')
    await manager.message(/^STOPPING=1/)
    t.is((await program.exit).code, 0)
  },
)

withLimits(`what the unit forbids fails, and the list of addresses does not${noLimitsSuffix}`, async (t) => {
  const script = `
    const os = require('node:os')
    const koffi = require('koffi')
    const lib = koffi.load('libc.so.6')
    const socket = lib.func('int socket(int, int, int)')
    const failing = (call) => (call() < 0 ? koffi.errno() : 0)
    console.log(JSON.stringify({
      addresses: Object.keys(os.networkInterfaces()).length,
      packet: failing(() => socket(17, 3, 0)),
      unix: failing(() => socket(1, 2, 0)),
      priority: failing(lib.func('int setpriority(int, int, int)').bind(null, 0, 0, 5)),
      mount: failing(lib.func('int umount2(const char *, int)').bind(null, '/nowhere', 0)),
    }))`
  const said = await run([...inOwnNetwork, ...asUnit(), process.execPath, '-e', script])
  t.deepEqual(
    JSON.parse(said.out || '{}'),
    { addresses: 1, packet: 97, unix: 0, priority: 1, mount: 1 },
    said.err,
  )
})
