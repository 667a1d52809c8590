import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { NotifySocket } from '../helpers/notify-socket.ts'
import { Program } from '../helpers/program.ts'
import { installationWithoutKoffi } from '../helpers/without-koffi.ts'
import { cli } from './spliceway.ts'

const config = `
listeners: [{ name: main, listen: "127.0.0.1:0", pool: main }]
pools: { main: { endpoints: ["127.0.0.1:9"], health: off } }
drain: { notReadyDelay: 200ms, window: 0s, deadline: 400ms }
admin: { listen: off }
`
const watchdogMs = 200

interface Scene {
  readonly manager: NotifySocket
  readonly program: Program
  readonly file: string
}

/** The program under a service manager that only listens. `name`: of its socket; empty: a path. */
async function start(t: ExecutionContext, program: string, name: string): Promise<Scene> {
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-notify-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'spliceway.yaml')
  writeFileSync(file, config)
  const manager = new NotifySocket(name === '' ? join(folder, 'notify') : name)
  t.teardown(() => manager.close())
  const started = await Program.start([process.execPath, program, 'run', '-c', file], {
    env: {
      NOTIFY_SOCKET: manager.name,
      WATCHDOG_USEC: String(watchdogMs * 1_000),
      RUNTIME_DIRECTORY: join(folder, 'run'),
    },
  })
  t.teardown(() => started.kill())
  return { manager, program: started, file }
}

/** Microseconds of CLOCK_MONOTONIC, which all processes share. */
const nowUsec = (): bigint => process.hrtime.bigint() / 1_000n

test('systemd hears READY when it serves, RELOADING with the time, WATCHDOG while it lives, and STOPPING at once', async (t) => {
  const { manager, program, file } = await start(t, cli, `@spliceway-run-${process.pid}`)
  const ready = await manager.message(/^READY=1\nSTATUS=serving; \d of 1 endpoints up$/)
  t.true(program.lines.some((line) => line.includes('"msg":"admin socket open')))
  await manager.message(/^WATCHDOG=1/)

  const before = manager.messages.length
  const askedUsec = nowUsec()
  program.tell('SIGHUP')
  const { text } = await manager.message(/^RELOADING=1\nMONOTONIC_USEC=\d+\nSTATUS=reloading$/, before)
  const toldUsec = BigInt(/MONOTONIC_USEC=(\d+)/.exec(text)?.[1] ?? '')
  t.true(askedUsec <= toldUsec && toldUsec <= nowUsec(), 'a time before the request would be ignored')
  await manager.message(/^READY=1\nSTATUS=serving/, before)

  const good = manager.messages.length
  writeFileSync(file, 'listeners: nonsense\n')
  await manager.message(/^RELOADING=1/, good)
  await manager.message(/^READY=1\nSTATUS=serving; .*; configuration not reloaded: error: /, good)

  program.tell('SIGTERM')
  await manager.message(/^STOPPING=1\nEXTEND_TIMEOUT_USEC=5400000\nSTATUS=draining; connections left: 0$/)
  t.is((await program.exit).code, 0)
  t.is(ready.pid, program.pid)
  t.deepEqual(
    manager.messages.filter(({ pid }) => pid !== program.pid),
    [],
    'every message is from the main process: NotifyAccess=main',
  )
})

const systemdNotify = spawnSync('systemd-notify', ['--version']).status === 0
const withSystemdNotify = systemdNotify ? test : test.skip

withSystemdNotify(
  `without koffi the same is told by systemd-notify${systemdNotify ? '' : ' (skipped: not installed here)'}`,
  async (t) => {
    const folder = installationWithoutKoffi()
    t.teardown(() => rmSync(folder, { recursive: true }))
    const { manager, program } = await start(t, join(folder, 'src/cli.mjs'), '')
    await manager.message(/^READY=1\nSTATUS=serving/)
    await manager.message(/^WATCHDOG=1/)
    program.tell('SIGHUP')
    await manager.message(/^RELOADING=1\nMONOTONIC_USEC=\d+\nSTATUS=reloading$/)
    program.tell('SIGTERM')
    await manager.message(/^STOPPING=1/)
    t.is((await program.exit).code, 0)
  },
)
