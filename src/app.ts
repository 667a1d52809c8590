import { randomBytes, randomInt } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { extname } from 'node:path'
import type { AdminActions, AdminSource, Answer, ConfigInUse } from './admin/source.ts'
import { after, processMs } from './clock.ts'
import type { Config } from './config/config.ts'
import { announce } from './control/announce.ts'
import { orderEndpoint } from './control/endpoint-order.ts'
import { Endpoints } from './control/endpoints.ts'
import { ListenerRules } from './control/listener-rules.ts'
import { Publication } from './control/publication.ts'
import { RefusalLog, refusalCount } from './control/refusal-log.ts'
import { type Shortage, watchShortage } from './control/shortage.ts'
import { DataPlane } from './control/workers/data-plane.ts'
import { Inquiries } from './control/workers/inquiries.ts'
import { Threads } from './control/workers/threads.ts'
import type { ConnectionFilter } from './core/connection.ts'
import type { Log, LogLevel } from './core/log.ts'
import { PerSourceTable } from './core/per-source.ts'
import { type Bearing, liveness, type Readiness, readiness } from './core/readiness.ts'
import type { Status } from './core/status.ts'
import { Tally } from './core/tally.ts'
import { selfForward } from './discovery/self-forward.ts'
import type { Doors } from './handover/handover.ts'
import type { PassedDescriptor } from './handover/listen-fds.ts'
import type { Left } from './handover/remains.ts'
import { ConfigError, choosePlane, holdAckBy, hostAddresses, hostBy, lossesBy, otherPlane } from './host.ts'
import { memoryLimitBytes, openFileLimit, pipeBudgetBytes } from './linux/limits.ts'
import { loadLibc } from './linux/load-libc.ts'
import { measure } from './measure.ts'
import { Reload, type ReloadOptions } from './reload.ts'
import { type Draining, Stop } from './stop.ts'
import { Succession } from './succession.ts'
import type { Metrics } from './telemetry/metrics.ts'
import { needTransparent, transparencyBy, transparentObstacle } from './transparent.ts'
import type { Upgrade } from './upgrade.ts'

export type { ConfigSource, Loaded } from './config/loaded.ts'

export interface AppOptions extends Pick<ReloadOptions, 'source' | 'log' | 'setLogLevel' | 'reload'> {
  readonly config: Config
  readonly version: string
  /** `lines`: `count` lines of the access log. */
  readonly accessLines: (lines: string, count: number) => void
  readonly logLinesDropped: () => number
  /** Listening sockets of socket activation, by descriptor. */
  readonly passed?: readonly PassedDescriptor[]
  readonly doors?: Doors
  /** The file of `handover.secret`. */
  readonly secretFile?: string
  readonly upgrade?: Upgrade
  /** For tests: bulk goes through pipes on loopback too. */
  readonly pipesOnLoopback?: boolean
}

/** More must be asked for: with 64 idle workers a process held 719 MB. */
const mostWorkers = 4
/** fs.nr_open by default; a limit may also say `unlimited`. */
const mostDescriptors = 1_048_576

const nowMs = (): number => performance.now()

/** The composition root: builds the parts, starts them, reloads, drains, stops. */
export class App implements AdminSource, AdminActions {
  readonly #options: AppOptions
  readonly #log: Log
  readonly #tally: Tally
  readonly #libc = loadLibc()
  readonly #machine = { openFiles: openFileLimit(), memoryBytes: memoryLimitBytes() }
  #plane: Status['plane']
  readonly #threads: Threads
  readonly #dataPlane: DataPlane
  readonly #inquiries: Inquiries
  readonly #endpoints: Endpoints
  readonly #rules: ListenerRules
  readonly #refusals: RefusalLog
  readonly #publication: Publication
  readonly #reload: Reload
  readonly #succession: Succession
  readonly #stop: Stop
  readonly #startedMs = nowMs()
  #listens = false
  #shortage: Shortage | null = null
  #metrics: Metrics | null = null

  constructor(options: AppOptions) {
    const { config, log } = options
    this.#options = options
    this.#log = log
    const workers = config.workers === 'auto' ? Math.min(mostWorkers, availableParallelism()) : config.workers
    const host = hostBy(this.#libc)
    const idPrefix = `${randomBytes(6).toString('hex')}-`
    this.#plane = choosePlane(config.plane, this.#libc)
    this.#tally = new Tally(workers)
    const seed = randomInt(2 ** 32)
    const sources = new PerSourceTable(0, workers, seed)
    this.#threads = new Threads({
      tally: this.#tally,
      birth: {
        plane: this.#plane.name,
        sources: { seed, buffer: sources.buffer },
        idPrefix,
        pipeBudgetBytes: pipeBudgetBytes() / workers,
        pipesOnLoopback: options.pipesOnLoopback ?? false,
      },
      openFiles: Math.min(this.#machine.openFiles, mostDescriptors),
      host,
      // In a package this file is app.js, and the worker's worker.js: an import is rewritten, a URL is not.
      entry: new URL(`./worker${extname(import.meta.url)}`, import.meta.url),
      log,
      after,
      nowMs: processMs,
    })
    this.#dataPlane = new DataPlane(this.#tally, this.#threads, host, () => this.#endpoints.registry.names())
    this.#threads.on('died', (index) => sources.retire(index))
    this.#rules = new ListenerRules({ log, after, changed: () => this.#publication.publish() })
    this.#refusals = new RefusalLog({
      log,
      after,
      count: (slot, reason) => refusalCount(this.#tally, slot, reason),
    })
    this.#threads.on('refused', (sample) => this.#refusals.tell(sample))
    this.#inquiries = new Inquiries({ threads: this.#threads, workers, idPrefix, after })
    this.#endpoints = new Endpoints({
      tally: this.#tally,
      log,
      after,
      nowMs,
      changed: () => this.#publication.publish(),
      applyParting: (slots, parting) => this.#dataPlane.applyParting(slots, parting, this.#config.drain),
      revived: (pool) => this.#dataPlane.revived(pool),
      hostAddresses,
      holdAck: holdAckBy(this.#libc),
    })
    this.#publication = new Publication(config, {
      log,
      workers,
      machine: this.#machine,
      registry: this.#endpoints.registry,
      rules: this.#rules,
      threads: this.#threads,
      dataPlane: this.#dataPlane,
      transparency: transparencyBy(this.#libc, log, after),
    })
    const { registry } = this.#endpoints
    this.#threads.on('signs', (signs) => registry.signs(signs))
    this.#threads.on('reports', (attempts, lines, count) => {
      for (const attempt of attempts) {
        registry.attempt(attempt)
        if (attempt.error !== null) this.#shortage?.attempt(attempt)
      }
      if (count > 0) options.accessLines(lines, count)
    })
    this.#reload = new Reload({
      ...options,
      nowMs,
      draining: () => this.#state() === 'draining',
      obstacle: (next) => transparentObstacle(next, this.#libc, this.#plane),
      dataPlane: this.#dataPlane,
      endpoints: this.#endpoints,
      rules: this.#rules,
      publication: this.#publication,
    })
    this.#succession = new Succession({
      ...options,
      name: config.handover.socket,
      secret: options.secretFile ?? null,
      canMove: () => config.handover.sessions === 'move' && this.#plane.name === 'splice',
      drainConfig: () => this.#config.drain,
      registry,
      libc: this.#libc,
      program: options.version,
      after,
      dataPlane: this.#dataPlane,
      nowMs,
      draining: () => this.#stop.begun,
      left: () => this.left(),
      told: (news) => options.upgrade?.hear(news),
      leave: () => this.#stop.leave(),
      fail: (why) => this.#stop.fail(why),
    })
    this.#stop = new Stop({
      config: () => this.#config.drain,
      log,
      after,
      nowMs,
      dataPlane: this.#dataPlane,
      starting: () => !this.#listens,
      relieved: () => this.#succession.yielded,
    })
  }

  get #config(): Config {
    return this.#publication.config
  }

  /** How the program ends. */
  get stopping(): Stop {
    return this.#stop
  }

  /** Resolves when a drain has begun, by a signal, the admin socket or a hand-over. */
  get draining(): Promise<Draining> {
    return this.#stop.draining
  }

  /**
   * Takes over what there is to take over, binds the rest, starts the workers, and resolves when all of them
   * listen and the process before has let go, or at once when a drain begins. Throws BindError, ConfigError
   * when the configuration does not fit this host, or WorkersFailed; nothing is left then.
   */
  start(): Promise<void> {
    const started = this.#start().catch(async (error: unknown) => {
      this.#endpoints.stop()
      this.#rules.stop()
      await this.#succession.fail()
      throw error
    })
    return Promise.race([started, this.draining.then(() => {})])
  }

  async #start(): Promise<void> {
    const loop = selfForward(this.#config, hostAddresses())
    if (loop !== null) throw new ConfigError(loop)
    needTransparent(this.#config, this.#libc, this.#plane)
    const rules = await this.#rules.prepare(this.#config.listeners)
    if (rules.kind === 'faulty') throw new ConfigError(`error: ${rules.message}`)
    rules.take()
    await this.#succession.begin(this.#config.listeners)
    await this.#endpoints.begin(this.#config)
    this.#succession.recall()
    if (this.#stop.begun) return
    this.#publication.begin()
    await this.#everyWorkerListens()
    this.#listens = true
    await this.#succession.accepting()
    if (this.#stop.begun) return
    this.#shortage = watchShortage({
      log: this.#log,
      after,
      limits: () => this.#dataPlane.limits(this.#publication.limit().limitedBy),
      refused: () => this.#dataPlane.rejected('resource'),
      nameOf: (slot) => this.#endpoints.nameOf(slot),
      transparent: (slot) => this.#publication.transparent(slot),
    })
    announce(this.#log, this.#dataPlane.listeners())
    const { name: plane, why } = this.#plane
    this.#log.info({ plane }, `bytes move by the ${plane} plane: ${why}`)
    for (const warning of [...this.#publication.warnings(), ...lossesBy(this.#libc)]) {
      this.#log.warn({}, warning)
    }
  }

  /** A plane that was chosen by itself and does not work in the workers gives way to the other one. */
  async #everyWorkerListens(): Promise<void> {
    try {
      await this.#dataPlane.started()
    } catch (error) {
      this.#plane = otherPlane(this.#config.plane, this.#plane, error)
      this.#log.warn({ plane: this.#plane.name }, `the splice plane is given up: ${this.#plane.why}`)
      needTransparent(this.#config, this.#libc, this.#plane)
      this.#threads.usePlane(this.#plane.name)
      await this.#everyWorkerListens()
    }
  }

  /** Begins to probe. */
  probe(): Promise<void> {
    return this.#endpoints.probe()
  }

  /** The address a listener is bound to, `127.0.0.1:40123`; undefined when there is no such listener. */
  address(listener: string): string | undefined {
    return this.#dataPlane.listeners().find(({ name }) => name === listener)?.address
  }

  status(): Status {
    const { state, connections, listeners, workers } = this.#bearing()
    return {
      version: this.#options.version,
      node: process.version,
      pid: process.pid,
      plane: this.#plane,
      state,
      uptimeMs: nowMs() - this.#startedMs,
      connections,
      listeners,
      pools: this.#endpoints.status(),
      workers,
      config: this.#reload.status,
      predecessors: this.#succession.predecessors,
    }
  }

  config(): ConfigInUse {
    return this.#reload.inUse
  }

  hosts(): readonly string[] {
    return this.#config.admin.hosts
  }

  live(): Readiness {
    return liveness(this.#threads.status())
  }

  ready(): Readiness {
    const { readyRequires } = this.#config.admin
    return readiness(this.#bearing(), readyRequires, (pool) => this.#endpoints.registry.usable(pool))
  }

  async metrics(): Promise<{ contentType: string; text: string }> {
    this.#metrics ??= await this.#measure()
    return { contentType: this.#metrics.contentType, text: await this.#metrics.render() }
  }

  /** Applies the configuration as it is now, whole or not at all. Never rejects; one reload at a time. */
  reload(): Promise<Answer> {
    return this.#reload.ask()
  }

  /**
   * Begins the stop of case 17 (docs/contract.md); `hurry` leaves out the time for load balancers to notice.
   */
  drain(hurry = false): Answer {
    void this.#succession.withdraw()
    return this.#stop.ask(hurry)
  }

  /**
   * Something that the program needs is gone: it ends as by a drain, and with a failure; the previous process
   * serves again if it can.
   */
  fail(why: string): void {
    void this.#succession.withdraw()
    this.#stop.fail(why)
  }

  left(): Left {
    return { connections: this.#dataPlane.active, endsInMs: this.#stop.endsInMs }
  }

  upgrade(): AsyncIterable<string> | Answer {
    const { upgrade, config } = this.#options // the name of the start: a reload does not change it
    const begun = upgrade?.begin(config.handover.socket, this.#state())
    return begun ?? { ok: false, message: 'nobody knows how this process was started' }
  }

  logLevel(level: LogLevel): Answer {
    this.#log.info({ level }, `log level ${level} from now on: asked by the admin`)
    this.#options.setLogLevel(level)
    return { ok: true, message: `log level ${level}, until a reload brings back what the configuration says` }
  }

  endpoint(pool: string, endpoint: string, action: 'drain' | 'ready'): Answer {
    const [registry, config, log] = [this.#endpoints.registry, this.#config, this.#log]
    return orderEndpoint(pool, endpoint, action, { registry, config, log })
  }

  connections(filter: ConnectionFilter): AsyncIterable<string> {
    return this.#inquiries.list(filter)
  }

  explain(id: string): Promise<string | null> {
    return this.#inquiries.explain(id)
  }

  async kill(id: string): Promise<Answer> {
    if (!(await this.#inquiries.kill(id))) return { ok: false, message: `there is no connection ${id}` }
    return { ok: true, message: `connection ${id} is reset` }
  }

  /** Ends everything at once: what is left is reset. */
  async stop(): Promise<void> {
    this.#succession.close()
    this.#shortage?.stop()
    this.#endpoints.stop()
    this.#rules.stop()
    this.#refusals.stop()
    this.#publication.stop()
    await this.#dataPlane.stop()
  }

  /** For tests: a worker dies as by a bug, or at once. */
  breakWorker(index: number, how: 'throw' | 'terminate' = 'throw'): void {
    this.#threads.break(index, how)
  }

  #state(): Status['state'] {
    if (this.#succession.yielded || this.#stop.begun) return 'draining'
    return this.#listens ? 'serving' : 'starting'
  }

  /** How it stands in the eyes of whoever might send it connections. */
  #bearing(): Bearing {
    return {
      state: this.#state(),
      connections: { active: this.#dataPlane.active, ...this.#publication.limit() },
      listeners: this.#dataPlane.listeners(),
      workers: this.#threads.status(),
    }
  }

  #measure(): Promise<Metrics> {
    return measure({
      parts: { dataPlane: this.#dataPlane, rules: this.#rules, endpoints: this.#endpoints },
      tally: this.#tally,
      connectionsLimit: () => this.#publication.limit().limit,
      draining: () => this.#state() === 'draining',
      lastReloadSuccessful: () => this.#reload.status.lastReload.successful,
      logLinesDropped: () => this.#options.logLinesDropped(),
      workerDeaths: () => this.#threads.deaths,
      predecessors: () => this.#succession.predecessors,
      build: { version: this.#options.version, plane: this.#plane.name, node: process.version },
      openFileLimit: this.#machine.openFiles,
    })
  }
}
