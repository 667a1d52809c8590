import { randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import type { AdminActions, AdminSource, Answer } from './admin/source.ts'
import { processMs } from './clock.ts'
import type { Config, LogLevel } from './config/config.ts'
import type { ConfigSource } from './config/loaded.ts'
import { capacityWarning, connectionLimit, limitedBy } from './control/capacity.ts'
import { Endpoints } from './control/endpoints.ts'
import { type Shortage, watchShortage } from './control/shortage.ts'
import { WarmPools } from './control/warm-pools.ts'
import { bindErrorText } from './control/workers/bind-error.ts'
import { DataPlane } from './control/workers/data-plane.ts'
import { BindError } from './control/workers/sockets.ts'
import type { After } from './core/after.ts'
import type { Log } from './core/log.ts'
import type { Attempt } from './core/outcome.ts'
import { liveness, readiness, type Verdict } from './core/readiness.ts'
import type { PoolSnapshot } from './core/snapshot.ts'
import type { Status } from './core/status.ts'
import { Tally } from './core/tally.ts'
import { durationText } from './core/wording.ts'
import { selfForward } from './discovery/self-forward.ts'
import type { Doors } from './handover/handover.ts'
import type { PassedDescriptor } from './handover/listen-fds.ts'
import {
  ConfigError,
  choosePlane,
  closeBy,
  duplicateBy,
  holdAckBy,
  hostAddresses,
  otherPlane,
  wakeBy,
} from './host.ts'
import { loadLibc } from './linux/libc.ts'
import { memoryLimitBytes, openFileLimit, pipeBudgetBytes } from './linux/limits.ts'
import { holderText } from './linux/port-holder.ts'
import { type Draining, Stop } from './stop.ts'
import { Succession } from './succession.ts'
import type { Metrics } from './telemetry/metrics.ts'

export type { ConfigSource, Loaded } from './config/loaded.ts'

export interface AppOptions {
  readonly config: Config
  readonly source: ConfigSource
  readonly version: string
  readonly log: Log
  readonly setLogLevel: (level: LogLevel) => void
  /** `lines`: `count` lines of the access log. */
  readonly accessLines: (lines: string, count: number) => void
  readonly logLinesDropped: () => number
  /** Called around every reload, whoever asked for it. */
  readonly reload?: (phase: 'begun' | 'over') => void
  /** Listening sockets of socket activation, by descriptor. */
  readonly passed?: readonly PassedDescriptor[]
  readonly doors?: Doors
  /** For tests: bulk goes through pipes on loopback too. */
  readonly pipesOnLoopback?: boolean
}

/** More must be asked for: with 64 idle workers a process held 719 MB. */
const mostWorkers = 4
/** fs.nr_open by default; a limit may also say `unlimited`. */
const mostDescriptors = 1_048_576
/** What only a restart can change: threads are born with it, and others find us by the admin pages and the hand-over's name. */
const fixedKeys = ['workers', 'plane', 'admin', 'handover'] as const
/** The part of a key that a restart is needed for. */
const fixedPart = ({ workers, plane, admin: { socket, listen }, handover }: Config) => ({
  workers,
  plane,
  admin: { socket, listen },
  handover,
})

const after: After = (ms, fire) => {
  const timer = setTimeout(fire, ms)
  return () => clearTimeout(timer)
}
const nowMs = (): number => performance.now()

/** The composition root: builds the parts, starts them, reloads, drains, stops. */
export class App implements AdminSource, AdminActions {
  readonly #options: AppOptions
  readonly #log: Log
  readonly #tally: Tally
  readonly #libc = loadLibc()
  readonly #machine = { openFiles: openFileLimit(), memoryBytes: memoryLimitBytes() }
  #plane: Status['plane']
  readonly #endpoints: Endpoints
  readonly #dataPlane: DataPlane
  readonly #warm: WarmPools
  readonly #succession: Succession
  readonly #stop: Stop
  readonly #startedMs = nowMs()
  #config: Config
  #listens = false
  #loadedMs = nowMs()
  #lastReload = { successful: true, message: 'as started' }
  #shortage: Shortage | null = null
  #metrics: Metrics | null = null
  #reloading: Promise<unknown> = Promise.resolve()

  constructor(options: AppOptions) {
    const { config, log } = options
    this.#options = options
    this.#log = log
    this.#config = config
    const workers = config.workers === 'auto' ? Math.min(mostWorkers, availableParallelism()) : config.workers
    this.#plane = choosePlane(config.plane, this.#libc)
    this.#tally = new Tally(workers)
    this.#endpoints = new Endpoints({
      tally: this.#tally,
      log,
      after,
      nowMs,
      changed: () => this.#publish(),
      letGo: (slots, parting) => this.#dataPlane.letGo(slots, parting, this.#config.drain),
      revived: (pool) => this.#dataPlane.revived(pool),
      hostAddresses,
      holdAck: holdAckBy(this.#libc),
    })
    this.#warm = new WarmPools({
      log,
      workers,
      machine: this.#machine,
      pools: () => this.#dataPlane.snapshot?.pools ?? [],
      changed: () => this.#publish(),
    })
    const { registry } = this.#endpoints
    this.#dataPlane = new DataPlane({
      tally: this.#tally,
      birth: {
        plane: this.#plane.name,
        idPrefix: `${randomBytes(6).toString('hex')}-`,
        pipeBudgetBytes: pipeBudgetBytes() / workers,
        pipesOnLoopback: options.pipesOnLoopback ?? false,
      },
      openFiles: Math.min(this.#machine.openFiles, mostDescriptors),
      wake: (descriptor) => wakeBy(this.#libc, descriptor),
      closeAbandoned: (open) => closeBy(this.#libc, open),
      entry: new URL('./worker.ts', import.meta.url),
      duplicate: duplicateBy(this.#libc),
      log,
      after,
      nowMs: processMs,
      pools: (version) => this.#warm.published(registry.pools(version)),
      acknowledged: (version) => registry.acknowledged(version),
      reports: (attempts, lines, count) => this.#reports(attempts, lines, count),
      signs: (signs) => registry.signs(signs),
      spoke: (slot, ageMs) => this.#warm.spoke(slot, ageMs),
    })
    this.#succession = new Succession({
      ...options,
      name: config.handover.socket,
      libc: this.#libc,
      program: options.version,
      after,
      dataPlane: this.#dataPlane,
      draining: () => this.#stop.begun,
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

  /** How the program ends. */
  get stopping(): Stop {
    return this.#stop
  }

  /** Resolves when a drain has begun, by a signal, the admin socket or a hand-over. */
  get draining(): Promise<Draining> {
    return this.#stop.draining
  }

  /**
   * Takes over what there is to take over, binds the rest, starts the workers, and resolves when all of them listen and the
   * process before has let go, or at once when a drain begins. Throws BindError, ConfigError when the configuration does not
   * fit this host, or WorkersFailed; nothing is left then.
   */
  start(): Promise<void> {
    const started = this.#start().catch(async (error: unknown) => {
      this.#endpoints.stop()
      await this.#succession.fail()
      throw error
    })
    return Promise.race([started, this.draining.then(() => {})])
  }

  async #start(): Promise<void> {
    const loop = selfForward(this.#config, hostAddresses())
    if (loop !== null) throw new ConfigError(loop)
    await this.#succession.begin(this.#config.listeners)
    await this.#endpoints.begin(this.#config)
    if (this.#stop.begun) return
    this.#dataPlane.publish(this.#config, (pools) => this.#limit(pools))
    await this.#everyWorkerListens()
    this.#listens = true
    await this.#succession.accepting()
    if (this.#stop.begun) return
    this.#shortage = watchShortage({
      log: this.#log,
      after,
      limits: () => this.#dataPlane.limits(this.#limitedBy()),
      refused: () => this.#dataPlane.rejected('resource'),
      nameOf: (slot) => this.#nameOf(slot),
    })
    for (const { name, address, pool } of this.#dataPlane.listeners()) {
      this.#log.info({ listener: name, address, pool }, `listening on ${address} for pool ${pool}`)
    }
    this.#log.info(
      { plane: this.#plane.name },
      `bytes move by the ${this.#plane.name} plane: ${this.#plane.why}`,
    )
    const warning = capacityWarning(this.#config.limits.connections, this.#machine, this.#warm.sockets())
    if (warning !== null) this.#log.warn({}, warning)
    if (this.#libc.kind === 'missing') {
      this.#log.warn({}, `${this.#libc.reason}: the accept queue of a worker that dies is lost with it`)
      const lost =
        'urgent bytes (MSG_OOB) are lost, and a peer that resets is told of 1 s after the last write'
      this.#log.warn({}, `${this.#libc.reason}: ${lost}`)
    }
  }

  /** A plane that was chosen by itself and does not work in the workers gives way to the other one. */
  async #everyWorkerListens(): Promise<void> {
    try {
      await this.#dataPlane.started()
    } catch (error) {
      this.#plane = otherPlane(this.#config.plane, this.#plane, error)
      this.#log.warn({ plane: this.#plane.name }, `the splice plane is given up: ${this.#plane.why}`)
      this.#dataPlane.usePlane(this.#plane.name)
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
    return {
      version: this.#options.version,
      node: process.version,
      pid: process.pid,
      plane: this.#plane,
      state: this.#state(),
      uptimeMs: nowMs() - this.#startedMs,
      connections: { active: this.#dataPlane.active, limit: this.#limit(), limitedBy: this.#limitedBy() },
      listeners: this.#dataPlane.listeners(),
      pools: this.#endpoints.status(),
      workers: this.#dataPlane.workers(),
      config: {
        source: this.#options.source.name,
        loadedMsAgo: nowMs() - this.#loadedMs,
        lastReload: this.#lastReload,
      },
    }
  }

  hosts(): readonly string[] {
    return this.#config.admin.hosts
  }

  live(): Verdict {
    return liveness(this.#dataPlane.workers())
  }

  ready(): Verdict {
    const { readyRequires } = this.#config.admin
    return readiness(this.status(), readyRequires, (pool) => this.#endpoints.registry.usable(pool))
  }

  async metrics(): Promise<{ contentType: string; text: string }> {
    this.#metrics ??= await this.#createMetrics()
    return { contentType: this.#metrics.contentType, text: await this.#metrics.render() }
  }

  /** Applies the configuration as it is now, whole or not at all. Never rejects; one reload at a time. */
  reload(): Promise<Answer> {
    const next = this.#reloading.then(async () => {
      this.#options.reload?.('begun')
      const answer = await this.#reload()
      this.#options.reload?.('over')
      return answer
    })
    this.#reloading = next
    return next
  }

  /** Begins the stop of case 17 (docs/contract.md); `hurry` leaves out the time for load balancers to notice. */
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

  endpoint(pool: string, endpoint: string, action: 'drain' | 'ready'): Answer {
    const result = this.#endpoints.registry[action](pool, endpoint)
    if (!result.ok) return result
    const drained = `draining: it gets no new connections, and existing ones ${this.#removal(pool)}`
    const state = action === 'drain' ? drained : 'in use'
    const told = `endpoint ${endpoint} of pool ${pool} is ${state}`
    return { ok: true, message: result.changed ? told : `${told} (it was already)` }
  }

  /** Ends everything at once: what is left is reset. */
  async stop(): Promise<void> {
    this.#succession.close()
    this.#shortage?.stop()
    this.#endpoints.stop()
    await this.#dataPlane.stop()
  }

  /** For tests: a worker dies as by a bug. */
  breakWorker(index: number): void {
    this.#dataPlane.breakWorker(index)
  }

  #state(): Status['state'] {
    if (this.#succession.yielded || this.#stop.begun) return 'draining'
    return this.#listens ? 'serving' : 'starting'
  }

  async #reload(): Promise<Answer> {
    const { source } = this.#options
    if (source.load === null) {
      return { ok: false, message: `there is no file to reload: the configuration is the ${source.name}` }
    }
    const loaded = source.load()
    const failure = loaded.kind === 'invalid' ? loaded.message : await this.#apply(loaded.config)
    this.#lastReload = { successful: failure === null, message: failure ?? 'applied' }
    if (failure !== null) {
      this.#log.error({ source: source.name }, `configuration not reloaded, nothing has changed:\n${failure}`)
      return { ok: false, message: failure }
    }
    this.#loadedMs = nowMs()
    if (loaded.kind === 'ok') for (const warning of loaded.warnings) this.#log.warn({}, warning)
    this.#log.info({ source: source.name }, `configuration reloaded from ${source.name}`)
    return { ok: true, message: `applied ${source.name}` }
  }

  /** null: applied; otherwise why not, and nothing has changed. */
  async #apply(config: Config): Promise<string | null> {
    if (this.status().state === 'draining') return 'the program is draining'
    const [now, next] = [fixedPart(this.#config), fixedPart(config)]
    const changed = fixedKeys.filter((key) => JSON.stringify(next[key]) !== JSON.stringify(now[key]))
    if (changed.length > 0)
      return `only a restart can change ${changed.map((key) => `\`${key}\``).join(', ')}`
    const loop = selfForward(config, hostAddresses())
    if (loop !== null) return loop
    if (!this.#dataPlane.slots.fits(config.listeners.map(({ name }) => name))) {
      return 'too many listeners beside removed ones that still have connections: try again when those are over'
    }
    let opened: () => Promise<void>
    try {
      opened = this.#dataPlane.rebind(config.listeners)
    } catch (error) {
      if (error instanceof BindError) return bindErrorText(error, process.getuid?.() ?? 0, holderText)
      throw error
    }
    this.#config = config
    this.#options.setLogLevel(config.log.level)
    this.#endpoints.update(config)
    this.#publish()
    await opened()
    return null
  }

  /** Tells the workers what has changed. */
  #publish(): void {
    if (this.#dataPlane.snapshot === null) return // begin() has not finished; start() publishes
    this.#dataPlane.publish(this.#config, (pools) => this.#limit(pools))
  }

  /** What happens to the connections of an endpoint that leaves. */
  #removal(pool: string): string {
    const closing = this.#config.pools.some(({ name, onRemoval }) => name === pool && onRemoval === 'close')
    return closing ? `are closed over ${durationText(this.#config.drain.windowMs)}` : 'go on'
  }

  #reports(attempts: readonly Attempt[], lines: string, count: number): void {
    for (const attempt of attempts) {
      this.#endpoints.registry.attempt(attempt)
      if (attempt.error !== null) this.#shortage?.attempt(attempt)
    }
    if (count > 0) this.#options.accessLines(lines, count)
  }

  #limit(pools?: readonly PoolSnapshot[]): number {
    return connectionLimit(this.#config.limits.connections, this.#machine, this.#warm.sockets(pools))
  }

  #limitedBy(): string {
    return limitedBy(this.#config.limits.connections, this.#machine, this.#warm.sockets())
  }

  #nameOf(slot: number): string {
    const found = this.#endpoints.registry.endpoints().find((endpoint) => endpoint.slot === slot)
    return found === undefined ? 'an endpoint that left' : `pool ${found.pool}: endpoint ${found.endpoint}`
  }

  async #createMetrics(): Promise<Metrics> {
    const { createMetrics } = await import('./telemetry/metrics.ts')
    const { registry } = this.#endpoints
    return createMetrics({
      tally: this.#tally,
      listeners: () => this.#dataPlane.slots.all(),
      endpoints: () => registry.endpoints(),
      unresolved: () => registry.unresolved(),
      connectionsLimit: () => this.#limit(),
      discovery: () =>
        this.#endpoints
          .status()
          .flatMap(({ name: pool, discovery }) => (discovery === null ? [] : [{ pool, ...discovery }])),
      healthChecks: () => registry.healthChecks(),
      draining: () => this.status().state === 'draining',
      lastReloadSuccessful: () => this.#lastReload.successful,
      logLinesDropped: () => this.#options.logLinesDropped(),
      workerRestarts: () => this.#dataPlane.workerRestarts,
      build: { version: this.#options.version, plane: this.#plane.name, node: process.version },
      openFileLimit: this.#machine.openFiles,
    })
  }
}
