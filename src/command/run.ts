import { flushCompileCache } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Admin } from '../admin/admin.ts'
import { tcpListenerName, unixListenerName } from '../admin/listener-name.ts'
import { AdminSocketError } from '../admin/socket-error.ts'
import { adminSocketPath, prepareSocketFolder, socketFolderRisk } from '../admin/socket-path.ts'
import { checkUnix } from '../admin/unix-listen.ts'
import { App, type ConfigSource, type Loaded } from '../app.ts'
import type { AdminConfig, HandoverConfig } from '../config/config.ts'
import { watchConfig } from '../config/watch.ts'
import { bindErrorText } from '../control/workers/bind-error.ts'
import { BindError } from '../control/workers/sockets.ts'
import { WorkersFailed } from '../control/workers/threads.ts'
import { errnoOf } from '../core/coded-error.ts'
import type { Log } from '../core/log.ts'
import { fileErrorText } from '../core/wording.ts'
import { takeListenFds } from '../handover/handover.ts'
import type { Left } from '../handover/remains.ts'
import { ConfigError } from '../host.ts'
import { loadLibc } from '../linux/load-libc.ts'
import { openNotify } from '../linux/notify.ts'
import { holderText } from '../linux/port-holder.ts'
import { writeAccess } from '../telemetry/access-log.ts'
import { wantsColours } from '../telemetry/colours.ts'
import { createLog } from '../telemetry/log.ts'
import { openSink, type Sink } from '../telemetry/sink.ts'
import { Upgrade } from '../upgrade.ts'
import { version } from '../version.ts'
import { exitCode } from './exit-code.ts'
import { installed } from './installed.ts'
import { complainLoudly } from './refuse.ts'
import { endReport } from './report.ts'
import { ServiceManager, watchdogMs } from './service-manager.ts'

/** The reader of our log may be this far behind; more is dropped and counted. */
const maxLogBytes = 4 * 1024 * 1024
/** The overview at the start waits this long for the first probes. */
const firstProbesMs = 1_200
/** Workers end within a second, and pages at once. */
const lastMs = 2_000

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

/** What starts the installed version, as this process was started. */
function upgradeOf(
  file: ConfigFile | null,
  manager: ServiceManager | null,
  log: Log,
  left: () => Left,
): Upgrade {
  const program = installed(process, process.cwd())
  // The cache of compiled modules in this installation (cli.mjs) is not the next one's, which may be another.
  const { NODE_COMPILE_CACHE: cache, ...rest } = process.env
  const own = cache?.startsWith(fileURLToPath(new URL('../../node_modules/', import.meta.url))) === true
  return new Upgrade({
    start: [...program, ...process.argv.slice(2)],
    check: file === null ? null : [...program, 'check', file.path],
    env: own ? rest : process.env,
    log,
    left,
    followed: (pid) => manager?.followed(pid),
  })
}

/** What keeps running beside the app, ended in reverse. */
type Closing = () => Promise<void> | void

/**
 * Runs until a signal or a drain ends it. Resolves to the exit code: 0, 1 when it cannot run, 75 when a port
 * is taken.
 */
export async function run(options: RunOptions): Promise<number> {
  const { loaded, source, file } = options
  const { config } = loaded
  const journalStream = process.env.JOURNAL_STREAM
  const sink = openSink({
    destination: 1,
    maxBufferedBytes: maxLogBytes,
    journalStream,
    colours: wantsColours(process.env),
  })
  const log = createLog(config.log.level, sink)
  const running = { version: version(), node: process.version, pid: process.pid, config: source.name }
  log.info(running, `spliceway ${running.version} begins, configured by ${source.name}`)
  for (const warning of loaded.warnings) log.warn({}, warning)
  const manager = findManager(log)
  const opened = Promise.withResolvers<Admin | null>()
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
      accessLines: (lines, count) => writeAccess(sink, lines, count),
      logLinesDropped: () => sink.dropped(),
      reload: (phase) => manager?.reload(phase),
      passed: takeListenFds(process.env, process.pid),
      secretFile: secretFile(config.handover.secret),
      upgrade: upgradeOf(file, manager, log, () => app.left()),
      doors: {
        names: listenerNames(config.admin),
        check: (held) => checkAdmin(config.admin, held),
        close: async (names) => (await opened.promise)?.closeListeners(names),
        open: async () => (await opened.promise)?.openListeners(),
      },
    })
    const starting = app.start()
    signals = listenToSignals(app, starting, log)
    await starting
  } catch (error) {
    sink.flushSync()
    return refuse(error)
  }
  const closings: Closing[] = [signals.close, async () => (await opened.promise)?.close()]
  void serve(app, options, { log, sink, manager, opened, closings })
  const failed = await ended(app, signals, log)
  await inTime(async () => {
    await app.stop()
    for (const close of closings.reverse()) await close()
    await manager?.close()
  })
  log.info({}, 'stopped')
  sink.flushSync()
  return failed ? exitCode.failure : exitCode.ok
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
    complainLoudly(`${error.message}\n`)
    return exitCode.config
  }
  if (error instanceof AdminSocketError || error instanceof WorkersFailed) {
    complainLoudly(`spliceway: ${error.message}\n`)
    return exitCode.failure
  }
  if (!(error instanceof BindError)) throw error
  const text = await bindErrorText(error, process.getuid?.() ?? 0, holderText)
  complainLoudly(`spliceway: ${text}\n`)
  return error.code === 'EADDRINUSE' ? exitCode.portBusy : exitCode.failure
}

interface Serving {
  readonly log: Log
  readonly sink: Sink
  readonly manager: ServiceManager | null
  /** Resolves to null when the admin listeners stay closed. */
  readonly opened: PromiseWithResolvers<Admin | null>
  readonly closings: Closing[]
}

/**
 * What a process does that accepts connections: probes, answers on the admin pages, watches its file. Never
 * rejects.
 */
async function serve(
  app: App,
  { loaded, file, started }: RunOptions,
  { log, sink, manager, opened, closings }: Serving,
): Promise<void> {
  if (app.stopping.begun) {
    opened.resolve(null)
    return
  }
  await app.probe()
  try {
    const admin = await openAdmin(app, loaded.config.admin, log)
    opened.resolve(admin)
  } catch (error) {
    // It was available a moment ago. Connections are already being served: they end as in any stop.
    opened.resolve(null)
    app.fail(error instanceof Error ? error.message : String(error))
    return
  }
  if (app.stopping.begun) return
  manager?.ready(app)
  void app.draining.then(({ deadlineMs }) => manager?.stopping(deadlineMs))
  if (file !== null) closings.push(watchConfig(file.path, file.text, () => void app.reload(), log))
  endReport()
  if (sink.terminal) await showStart(app, sink)
  started?.()
  flushCompileCache() // otherwise Node writes it at exit, which a killed process never reaches
}

/** Resolves when the program is to end, to whether that is a failure. */
async function ended(app: App, signals: Signals, log: Log): Promise<boolean> {
  const { stopping } = app
  const hurried = await Promise.race([app.draining.then(({ done }) => done), signals.second])
  if (typeof hurried === 'string') {
    const { active } = app.status().connections
    log.warn({ signal: hurried, connections: active }, `${hurried}: ends now, what is left is reset`)
    return false
  }
  if (!stopping.asked && !stopping.failed && isStartedAgain(process.env)) {
    log.info({}, 'handed over and drained: waits for SIGTERM, because it would be started again')
    await signals.first
  }
  return stopping.failed
}

/** The end of the program waits for no lookup, probe or page. */
async function inTime(work: () => Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, lastMs)
  await Promise.race([work(), promise])
  clearTimeout(timer)
}

/**
 * In a Pod of a DaemonSet an exit is followed by a restart, whatever the code. After a hand-over the
 * restarted process would take the sockets back, and so on for as long as both Pods exist.
 */
function isStartedAgain(env: NodeJS.ProcessEnv): boolean {
  return env.KUBERNETES_SERVICE_HOST !== undefined
}

interface Signals {
  readonly first: Promise<void>
  /** Of the signal that ends it at once. */
  readonly second: Promise<NodeJS.Signals>
  readonly close: Closing
}

/**
 * SIGTERM drains; SIGINT, from a person, without waiting for load balancers; `second` resolves at a second
 * one. Only signals count: whoever replaced us, or asked for a drain by the admin socket, sends SIGTERM
 * afterwards and means the same drain. In a Pod a second SIGTERM is no wish to hurry: the kubelet and the
 * runtime repeat a stop whose answer they have not seen.
 */
function listenToSignals(app: App, starting: Promise<void>, log: Log): Signals {
  const first = Promise.withResolvers<void>()
  const second = Promise.withResolvers<NodeJS.Signals>()
  let told = false
  const drain = (signal: NodeJS.Signals): void => {
    if (told && signal === 'SIGTERM' && isStartedAgain(process.env)) {
      log.info({ signal }, 'SIGTERM again: the drain goes on (a stop may be sent twice); SIGINT ends it now')
      return
    }
    if (told) second.resolve(signal)
    told = true
    app.drain(signal === 'SIGINT')
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

/**
 * Throws AdminSocketError when the admin socket cannot be had. `held`: admin listeners that the process
 * before has open, and will close.
 */
async function checkAdmin({ socket }: AdminConfig, held: readonly string[]): Promise<void> {
  const path = adminPath(socket)
  if (path === null) return
  try {
    if (socket.kind === 'auto') prepareSocketFolder(path, process.getuid?.() ?? 0)
    const name = unixListenerName(path)
    await checkUnix(path, name !== null && held.includes(name))
  } catch (error) {
    if (error instanceof AdminSocketError) throw error
    const why = fileErrorText(error)
    throw new AdminSocketError(errnoOf(error), `the admin socket ${path} cannot be opened: ${why}`, error)
  }
}

async function openAdmin(app: App, { socket, listen }: AdminConfig, log: Log): Promise<Admin> {
  const socketPath = adminPath(socket)
  const uid = process.getuid?.() ?? 0
  if (socket.kind === 'auto' && socketPath !== null) prepareSocketFolder(socketPath, uid)
  if (socket.kind === 'path') warnOfFolder(socket.path, uid, log)
  const { startAdmin } = await import('../admin/admin.ts')
  return startAdmin({ app, socketPath, listen, holder: holderText, log })
}

/** An emptyDir of a Pod can be written to by all, and is seen by nobody but the Pod. */
function warnOfFolder(path: string, uid: number, log: Log): void {
  const { KUBERNETES_SERVICE_HOST: pod = '' } = process.env
  const risk = pod === '' ? socketFolderRisk(path, uid) : null
  if (risk === null) return
  log.warn(
    { socket: path },
    `the admin socket is not safe: ${risk}, who can put one of theirs in its place; use a folder of mode 0700`,
  )
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

/** Two processes find the same file by the rule by which commands find the admin socket. */
function secretFile(secret: HandoverConfig['secret']): string {
  if (secret.kind === 'path') return secret.path
  return join(dirname(adminSocketPath(process.env, process.getuid?.() ?? 0, tmpdir())), 'handover.secret')
}

/** What the process before us has to close, if it has it open. */
function listenerNames({ socket, listen }: AdminConfig): string[] {
  const path = adminPath(socket)
  const names = [path && unixListenerName(path), listen && tcpListenerName(listen.port)]
  return names.filter((name) => name !== null)
}

/** For a person at a terminal: what forwards where, what is up or down and why. */
async function showStart(app: App, sink: Sink): Promise<void> {
  const { renderStatus } = await import('./status.ts')
  const deadlineMs = performance.now() + firstProbesMs
  const unknown = () =>
    app.status().pools.some(({ endpoints }) => endpoints.some(({ state }) => state === 'unknown'))
  while (unknown() && performance.now() < deadlineMs) await new Promise((resolve) => setTimeout(resolve, 20))
  sink.write(`\n${renderStatus(app.status(), { brief: true, columns: process.stdout.columns })}\n`)
}
