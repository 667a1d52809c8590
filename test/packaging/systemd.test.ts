import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { parseConfig } from '../../src/config/parse.ts'
import { checkout } from './image.ts'

const text = readFileSync(join(checkout, 'config/systemd/spliceway.service'), 'utf8')

/** Values by section and key, in order: a key may be given several times. */
function parseUnit(unit: string): ReadonlyMap<string, readonly string[]> {
  const values = new Map<string, string[]>()
  let section = ''
  for (const line of unit.split('\n').map((each) => each.trim())) {
    if (line === '' || line.startsWith('#')) continue
    const heading = /^\[(\w+)\]$/.exec(line)?.[1]
    const [, key, value = ''] = /^(\w+)=(.*)$/.exec(line) ?? []
    if (heading !== undefined) section = heading
    else if (key === undefined) throw new Error(`not understood: ${line}`)
    else values.set(`${section}.${key}`, [...(values.get(`${section}.${key}`) ?? []), value])
  }
  return values
}

const unit = parseUnit(text)

function service(key: string): string | undefined {
  return unit.get(`Service.${key}`)?.join(' | ')
}

test('nothing is started that does not notify: the type is exec', (t) => {
  t.is(service('Type'), 'exec')
  t.is(service('WatchdogSec'), undefined)
})

test('the program that is started is the one of the checkout', (t) => {
  const [node = '', cli = '', ...rest] = (service('ExecStart') ?? '').split(' ')
  t.is(node, '/opt/spliceway/node_modules/.bin/node')
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

/** Runs systemd-analyze on the unit with this checkout in the place of /opt/spliceway. */
function analyze(t: ExecutionContext, ...args: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-unit-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'spliceway.service')
  writeFileSync(file, text.replaceAll('/opt/spliceway/', checkout))
  return spawnSync('systemd-analyze', [...args, file], { encoding: 'utf8' })
}

withSystemd(`systemd finds nothing wrong with the unit${suffix}`, (t) => {
  const { status, stdout, stderr } = analyze(t, 'verify')
  t.is(`${stdout}${stderr}`, '')
  t.is(status, 0)
})

withSystemd(`systemd rates the exposure of the unit at 2.0 or better${suffix}`, (t) => {
  const { status, stdout, stderr } = analyze(t, 'security', '--offline=true', '--threshold=20')
  t.is(status, 0, `${stdout}${stderr}`)
  t.regex(
    stdout,
    /Overall exposure level for spliceway\.service: [01]\.\d|level for spliceway\.service: 2\.0/,
  )
})
