import { flushCompileCache } from 'node:module'
import { tmpdir } from 'node:os'
import { App, type ConfigSource, type Loaded } from '../app.ts'
import type { AdminConfig } from '../config/config.ts'
import { bindErrorText } from '../control/bind-error.ts'
import { watchConfig } from '../control/config-watch.ts'
import { BindError } from '../control/sockets.ts'
import { takeListenFds } from '../handover/handover.ts'
import { ConfigError } from '../host.ts'
import { loadLibc } from '../linux/libc.ts'
import { openNotify } from '../linux/notify.ts'
import { holderText } from '../linux/port-holder.ts'
import type { AccessLog } from '../telemetry/access-log.ts'
import { createAccessLog } from '../telemetry/access-log.ts'
import type { Admin } from '../telemetry/admin.ts'
import { adminSocketPath, prepareSocketFolder } from '../telemetry/admin-socket.ts'
import { socketDoorName, tcpDoorName } from '../telemetry/door-name.ts'
import { createLog, type Log } from '../telemetry/log.ts'
import { openSink, type Sink } from '../telemetry/sink.ts'
import { version } from '../version.ts'
import { exitCode } from './exit-code.ts'
import { ServiceManager, watchdogMs } from './service-manager.ts'

/** The reader of our log may be this far behind; more is dropped and counted. */
const maxLogBytes = 4 * 1024 * 1024
/** The picture at the start waits this long for the first probes. */
const firstProbesMs = 1_200

export interface ConfigFile {
  readonly path: string
  /** What was read from it last. */
  readonly text: () => string
}

export interface RunOptions {
  readonly loaded: Extract<Loaded, { kind: 'ok' }>
  readonly source: ConfigSource
  /** The file to watch; null: none. */
  readonly file: ConfigFile | null
  /** Called when it serves. */
  readonly started?: () => void
}

/** What keeps running beside the app, ended in reverse. */
type Closing = () => Promise<void> | void

/** Runs until a signal or a drain ends it. Resolves to the exit code: 0, 1 when it cannot run, 75 when a port is taken. */
export async function run(options: RunOptions): Promise<number> {
  const { loaded, source } = options
  const { config } = loaded
  const sink = openSink({ destination: 1, maxBufferedBytes: maxLogBytes })
  const log = createLog(config.log.level, sink)
  const accessLog = createAccessLog({ destination: sink, maxBufferedBytes: maxLogBytes })
  for (const warning of loaded.warnings) log.warn({}, warning)
  const manager = findManager(log)
  const opened = Promise.withResolvers<Admin>()
  let app: App
  let signals: Signals
  try {
    app = new App({
      config,
      source,
      version: version(),
      log,
      setLogLevel: (level) => {
        log.level = level
      },
      accessLines: (lines, count) => accessLog.write(lines, count),
      logLinesDropped: () => sink.dropped(),
      reload: (phase) => manager?.reload(phase),
      passed: takeListenFds(process.env, process.pid),
      doors: {
        names: doorNames(config.admin),
        close: async (names) => (await opened.promise).closeDoors(names),
        open: async () => (await opened.promise).openDoors(),
      },
    })
    const starting = app.start()
    signals = listenToSignals(app, starting)
    await starting
  } catch (error) {
    sink.flushSync()
    return refuse(error)
  }
  return serveUntilDrained(app, signals, options, manager, log, sink, accessLog, opened.resolve)
}

/** null: nobody waits for messages. */
function findManager(log: Log): ServiceManager | null {
  const socket = process.env.NOTIFY_SOCKET
  if (socket === undefined || socket === '') return null
  const failed = (reason: string): void =>
    log.warn({}, `the service manager was not told: ${reason}; it may take the program for dead`)
  return new ServiceManager({
    notify: openNotify({ socket, libc: loadLibc(), failed }),
    watchdogMs: watchdogMs(process.env, process.pid),
    monotonicUsec: () => process.hrtime.bigint() / 1_000n,
  })
}

/** Says why the program cannot run here. Throws what is not expected. */
async function refuse(error: unknown): Promise<number> {
  if (error instanceof ConfigError) {
    process.stderr.write(`${error.message}\n`)
    return exitCode.config
  }
  if (!(error instanceof BindError)) throw error
  process.stderr.write(`spliceway: ${await bindErrorText(error, process.getuid?.() ?? 0, holderText)}\n`)
  return error.code === 'EADDRINUSE' ? exitCode.portBusy : exitCode.failure
}

async function serveUntilDrained(
  app: App,
  signals: Signals,
  { loaded, file, started }: RunOptions,
  manager: ServiceManager | null,
  log: Log,
  sink: Sink,
  accessLog: AccessLog,
  opened: (admin: Admin) => void,
): Promise<number> {
  const closings: Closing[] = [signals.close]
  await app.probe()
  try {
    const admin = await openAdmin(app, loaded.config.admin, log)
    opened(admin)
    closings.push(() => admin.close())
  } catch (error) {
    log.error({ err: error }, error instanceof Error ? error.message : String(error))
    await app.stop()
    for (const close of closings) await close()
    accessLog.close()
    return exitCode.failure
  }
  manager?.ready(app)
  void app.draining.then(({ deadlineMs }) => manager?.stopping(deadlineMs))
  if (file !== null) closings.push(watchConfig(file.path, file.text, () => void app.reload(), log))
  if (sink.terminal) await showStart(app, sink)
  started?.()
  flushCompileCache() // Node writes it at the end otherwise, and a process that is killed has no end
  const drained = app.draining.then(({ done }) => done)
  const hurried = await Promise.race([drained.then(() => false), signals.second.then(() => true)])
  if (hurried) return exitCode.ok // the caller exits: what is left ends with the process
  if (!app.toldToStop && isStartedAgain(process.env)) {
    log.info({}, 'handed over and drained: waits for SIGTERM, because it would be started again')
    await signals.first
  }
  await app.stop()
  for (const close of closings.reverse()) await close()
  await manager?.close()
  log.info({}, 'stopped')
  accessLog.close()
  return exitCode.ok
}

/**
 * In a Pod of a DaemonSet an exit is followed by a start, whatever the code. After a hand-over that one would take the sockets
 * back, and so on for as long as both Pods are there.
 */
function isStartedAgain(env: NodeJS.ProcessEnv): boolean {
  return env.KUBERNETES_SERVICE_HOST !== undefined
}

interface Signals {
  readonly first: Promise<void>
  readonly second: Promise<void>
  readonly close: Closing
}

/**
 * SIGTERM drains; SIGINT, from a person, without waiting for load balancers; `second` resolves at a second one. A drain that
 * a hand-over began is not the first one: whoever replaced us sends SIGTERM afterwards, and means the same drain.
 */
function listenToSignals(app: App, starting: Promise<void>): Signals {
  const first = Promise.withResolvers<void>()
  const second = Promise.withResolvers<void>()
  let told = false
  const drain = (signal: NodeJS.Signals): void => {
    if (told || app.toldToStop) second.resolve()
    told = true
    // One that comes during the start is obeyed at its end; when the start fails there is nothing to drain.
    void starting.then(() => app.drain(signal === 'SIGINT')).catch(() => {})
    first.resolve()
  }
  const reload = (): void => void starting.then(() => app.reload()).catch(() => {})
  process.on('SIGTERM', drain)
  process.on('SIGINT', drain)
  process.on('SIGHUP', reload)
  const close = (): void => {
    process.off('SIGTERM', drain)
    process.off('SIGINT', drain)
    process.off('SIGHUP', reload)
  }
  return { first: first.promise, second: second.promise, close }
}

async function openAdmin(app: App, { socket, listen }: AdminConfig, log: Log): Promise<Admin> {
  const socketPath = adminPath(socket)
  if (socket.kind === 'auto' && socketPath !== null) prepareSocketFolder(socketPath, process.getuid?.() ?? 0)
  const { startAdmin } = await import('../telemetry/admin.ts')
  return startAdmin({ app, socketPath, listen, holder: holderText, log })
}

function adminPath(socket: AdminConfig['socket']): string | null {
  switch (socket.kind) {
    case 'off':
      return null
    case 'auto':
      return adminSocketPath(process.env, process.getuid?.() ?? 0, tmpdir())
    case 'path':
      return socket.path
  }
}

/** What the process before us has to close, if it has it open. */
function doorNames({ socket, listen }: AdminConfig): string[] {
  const path = adminPath(socket)
  const names = [path && socketDoorName(path), listen && tcpDoorName(listen.port)]
  return names.filter((name) => name !== null)
}

/** For a person at a terminal: what forwards where, what is up or down and why. */
async function showStart(app: App, sink: Sink): Promise<void> {
  const { renderStatus } = await import('./status.ts')
  const deadlineMs = performance.now() + firstProbesMs
  const unknown = () =>
    app.status().pools.some(({ endpoints }) => endpoints.some(({ state }) => state === 'unknown'))
  while (unknown() && performance.now() < deadlineMs) await new Promise((resolve) => setTimeout(resolve, 20))
  sink.write(`\n${renderStatus(app.status())}\n`)
}
