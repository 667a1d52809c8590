import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { Upgrade } from '../../src/upgrade.ts'
import { NotifySocket } from '../helpers/notify-socket.ts'
import { Load } from './load.ts'
import { LongLived } from './long-lived.ts'
import { root, scene } from './upgradable.ts'

/** Of a process, at its start. */
function environmentOf(pid: number): readonly string[] {
  return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0')
}

test.serial(
  'upgrade: the running process starts the next one, hands over, tells the service manager, and carries what it has to its end',
  async (t) => {
    t.timeout(90_000)
    const { folder, port, file, start, upgradePatiently, serving } = await scene(t)
    const manager = new NotifySocket(join(folder, 'notify.sock'))
    t.teardown(() => manager.close())
    // As the unit starts it; a shell would be another process than the one that WATCHDOG_PID means.
    const cli = ['--disable-sigusr1', join(root, 'src/cli.mjs'), 'run', '-c', file]
    const script = `WATCHDOG_PID=$$ WATCHDOG_USEC=30000000 LISTEN_PID=$$ LISTEN_FDS=0 LISTEN_FDNAMES= exec "$0" "$@"`
    const old = await start(['sh', '-c', script, process.execPath, ...cli], { NOTIFY_SOCKET: manager.name })
    await manager.message(/^READY=1/)
    const held = await LongLived.open(3, port)
    // Few: its clients and the backend are one thread, which has to keep up on a busy machine too.
    const load = new Load(port, 40)
    const said = await upgradePatiently()
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
      new RegExp(`^pid ${pid} serves, version \\S+; connections still in this one, pid ${old.pid}: 3;`),
    )

    const told = await manager.message(/^MAINPID=/)
    t.deepEqual(told, { pid: old.pid, text: `MAINPID=${pid}` })
    t.true(manager.messages.some((each) => each.pid === pid && each.text.startsWith('READY=1')))
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

/** An upgrade of a program that is not installed anywhere. */
function upgradeOf(env: Readonly<Record<string, string>>, check: readonly string[] | null = null): Upgrade {
  return new Upgrade({
    ...{ env, check, start: ['/nowhere/node', 'run'] },
    log: { info() {}, warn() {}, error() {} },
    left: () => ({ connections: 0, endsInMs: null }),
    followed() {},
  })
}

test('upgrade: in a container, and while the process does not serve, it is refused', (t) => {
  t.deepEqual(upgradeOf({ KUBERNETES_SERVICE_HOST: '10.0.0.1' }).begin('spliceway', 'serving'), {
    ok: false,
    message: 'no upgrade: in a container the next version comes with the next container',
  })
  t.deepEqual(upgradeOf({}).begin('spliceway', 'draining'), {
    ok: false,
    message: 'no upgrade: the process is draining',
  })
})

test('upgrade: a program that is gone, and a second one at the same time', async (t) => {
  const told = async (upgrade: Upgrade): Promise<string> => {
    const begun = upgrade.begin('spliceway', 'serving')
    if ('ok' in begun) return JSON.stringify(begun)
    t.like(upgrade.begin('spliceway', 'serving'), { ok: false })
    return (await Array.fromAsync(begun)).join('')
  }
  t.regex(await told(upgradeOf({})), /"ok":false.*has not taken over: it cannot be started: .*ENOENT/)
  const checked = await told(upgradeOf({}, ['/nowhere/node', 'check']))
  t.regex(checked, /"ok":false.*the installed version cannot be started: .*ENOENT/)
})
