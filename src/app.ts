import { randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import type { Config, LogLevel } from './config/config.ts'
import type { After } from './control/after.ts'
import { drain } from './control/drain.ts'
import { getaddrinfo } from './control/host-lookup.ts'
import { createListenerSlots, type ListenerSlots } from './control/listener-slots.ts'
import { Listeners } from './control/listeners.ts'
import type { Log } from './control/log.ts'
import { Names } from './control/names.ts'
import type { Prober } from './control/prober.ts'
import { createPublisher, type Publisher } from './control/publisher.ts'
import { Registry } from './control/registry.ts'
import { type Shortage, watchShortage } from './control/shortage.ts'
import { BindError } from './control/sockets.ts'
import { Threads } from './control/threads.ts'
import type { Attempt, Outcome } from './core/outcome.ts'
import { rejections } from './core/outcome.ts'
import type { Status } from './core/status.ts'
import {
  add,
  closedCell,
  listenerCell,
  listenerField,
  rejectedCell,
  Tally,
  workerCell,
} from './core/tally.ts'
import { type LoadedLibc, loadLibc } from './linux/libc.ts'
import { memoryLimitBytes, openFileLimit } from './linux/limits.ts'
import type { AdminActions, AdminSource, Answer, Verdict } from './telemetry/admin-source.ts'
import type { Metrics } from './telemetry/metrics.ts'

/** Where a configuration comes from. */
export interface ConfigSource {
  /** `config/edge.yaml`, or `command line`. */
  readonly name: string
  /** Reads it again; null: it cannot change. The message is what a user sees. */
  readonly load: (() => Loaded) | null
}

export type Loaded =
  | { readonly kind: 'ok'; readonly config: Config }
  | { readonly kind: 'invalid'; readonly message: string }

export interface AppOptions {
  readonly config: Config
  readonly source: ConfigSource
  readonly version: string
  readonly log: Log
  readonly setLogLevel: (level: LogLevel) => void
  readonly outcomes: (outcomes: readonly Outcome[]) => void
  readonly logLinesDropped: () => number
}

/** Idle workers cost 25 MB each; who wants more than four says so. */
const mostWorkers = 4
/** The kernel caps it at net.core.somaxconn, 4096 since Linux 5.4. */
const backlog = 4096
/** A start waits this long for names before it listens; a name that comes later is published when it comes. */
const namesMs = 1_000
/** Descriptors kept for everything but connections: listeners, probes, admin, logs, files. */
const spareDescriptors = 256
/** What a connection may hold in user space: 128 KiB a direction. */
const bytesPerConnection = 256 * 1024
/** `/livez` fails when main or a worker has not beaten for so long. */
const heartbeatLimitMs = 10_000

const after: After = (ms, fire) => {
  const timer = setTimeout(fire, ms)
  return () => clearTimeout(timer)
}
const nowMs = (): number => performance.now()

/** The composition root: builds the parts, starts them, reloads, drains, stops. */
export class App implements AdminSource, AdminActions {
  readonly #options: AppOptions
  readonly #log: Log
  readonly #workers: number
  readonly #tally: Tally
  readonly #libc: LoadedLibc
  readonly #listeners: Listeners
  readonly #slots: ListenerSlots
  readonly #registry: Registry
  readonly #names: Names
  readonly #publisher: Publisher
  readonly #threads: Threads
  readonly #startedMs = nowMs()
  readonly #started = new Set<number>()
  readonly #listening = new Set<string>()
  #allListening: () => void = () => {}
  #shortage: Shortage | null = null
  #prober: Prober | null = null
  #metrics: Metrics | null = null
  #config: Config
  #state: Status['state'] = 'starting'
  #loadedMs = nowMs()
  #lastReload = { successful: true, message: 'as started' }
  #drained: Promise<void> | null = null
  #drainAsked: (drained: Promise<void>) => void = () => {}
  #reloading: Promise<unknown> = Promise.resolve()

  /** Resolves when a drain has begun, by a signal or by the admin socket, with the promise of its end. */
  readonly draining: Promise<{ readonly done: Promise<void> }>

  constructor(options: AppOptions) {
    const { config, log } = options
    this.#options = options
    this.#log = log
    this.#config = config
    this.#workers = config.workers === 'auto' ? Math.min(mostWorkers, availableParallelism()) : config.workers
    this.#tally = new Tally(this.#workers)
    this.#libc = loadLibc()
    this.#listeners = new Listeners(this.#workers, this.#libc.kind === 'loaded' ? this.#libc.libc : null)
    this.#slots = createListenerSlots(this.#tally)
    const random = Math.random
    this.#registry = new Registry({ tally: this.#tally, log, nowMs, random, after })
    this.#names = new Names({
      lookup: getaddrinfo,
      log,
      after,
      nowMs,
      random,
      changed: () => this.#namesChanged(),
    })
    this.#threads = new Threads({
      tally: this.#tally,
      birth: {
        workers: this.#workers,
        rows: this.#tally.buffer,
        plane: 'net',
        idPrefix: `${randomBytes(6).toString('hex')}-`,
      },
      entry: new URL('./worker.ts', import.meta.url),
      log,
      after,
      nowMs: () => Date.now(),
      started: (index) => this.#equip(index),
      listening: (index, address) => this.#heard(index, address),
      acknowledged: (version) => this.#registry.acknowledged(version),
      reports: (attempts, outcomes) => this.#reports(attempts, outcomes),
      died: (index) => this.#died(index),
    })
    this.#publisher = createPublisher(
      this.#slots,
      (version) => this.#registry.pools(version),
      (snapshot) => this.#threads.broadcast({ kind: 'snapshot', snapshot }),
    )
    this.draining = new Promise((resolve) => {
      this.#drainAsked = (done) => resolve({ done })
    })
  }

  /** Binds, starts the workers, and resolves when all of them listen. Throws BindError; nothing is left then. */
  async start(): Promise<void> {
    this.#listeners.bind(this.#config.listeners)
    this.#threads.start()
    this.#names.update(this.#config.pools)
    await Promise.race([
      this.#names.resolved(),
      new Promise((resolve) => after(namesMs, () => resolve(null))),
    ])
    this.#registry.update(this.#names.pools())
    const listening = new Promise<void>((resolve) => {
      this.#allListening = resolve
    })
    this.#publisher.publish(this.#config, this.#limit())
    for (const index of this.#started) this.#equip(index)
    await listening
    this.#state = 'serving'
    this.#shortage = watchShortage({
      log: this.#log,
      after,
      rejected: () => this.#rejected(),
      limit: () => this.#limit(),
      nameOf: (slot) => this.#nameOf(slot),
    })
    for (const { name, address, pool } of this.status().listeners) {
      this.#log.info({ listener: name, address, pool }, `listening on ${address} for pool ${pool}`)
    }
    if (this.#libc.kind === 'missing') {
      this.#log.warn({}, `${this.#libc.reason}: the accept queue of a worker that dies is lost with it`)
    }
  }

  /** Begins to probe. Apart from start() because undici and TLS would cost it time. */
  async probe(): Promise<void> {
    const [{ Prober }, { probe, probeTargets }] = await Promise.all([
      import('./control/prober.ts'),
      import('./control/probe.ts'),
    ])
    const verdict: Registry['verdict'] = (pool, endpoint, found) =>
      this.#registry.verdict(pool, endpoint, found)
    this.#prober = new Prober({ probe, verdict, after, nowMs, random: Math.random })
    this.#prober.update(probeTargets(this.#names.pools()))
  }

  /** The address a listener is bound to, `127.0.0.1:40123`; undefined when there is no such listener. */
  address(listener: string): string | undefined {
    return this.status().listeners.find(({ name }) => name === listener)?.address
  }

  status(): Status {
    const { config, sum } = { config: this.#config, sum: (cell: number) => this.#tally.sum(cell) }
    const keys = new Map(
      this.#publisher.latest?.listeners.map(({ name, address, slot }) => [name, { address, slot }]),
    )
    return {
      version: this.#options.version,
      node: process.version,
      pid: process.pid,
      plane: { name: 'net', why: 'the only one of this version' },
      state: this.#state,
      uptimeMs: nowMs() - this.#startedMs,
      connections: { active: sum(workerCell.active), limit: this.#limit() },
      listeners: config.listeners.map(({ name, pool, maxConnections }) => {
        const { address, slot } = keys.get(name) ?? { address: '', slot: 0 }
        return {
          name,
          address: this.#listeners.address(address) ?? 'closed',
          pool,
          active: sum(listenerCell(slot) + listenerField.active),
          accepted: sum(listenerCell(slot) + listenerField.accepted),
          maxConnections,
        }
      }),
      pools: this.#registry.status(),
      workers: this.#threads.status(Date.now()),
      config: {
        source: this.#options.source.name,
        loadedMsAgo: nowMs() - this.#loadedMs,
        lastReload: this.#lastReload,
      },
    }
  }

  live(): Verdict {
    const reasons = this.#threads
      .status(Date.now())
      .filter(({ heartbeatAgeMs }) => heartbeatAgeMs >= heartbeatLimitMs)
      .map(
        ({ index, heartbeatAgeMs }) =>
          `worker ${index} gave no sign of life for ${Math.round(heartbeatAgeMs)} ms`,
      )
    return { ok: reasons.length === 0, reasons }
  }

  ready(): Verdict {
    const reasons: string[] = []
    if (this.#state !== 'serving') reasons.push(this.#state)
    for (const { index, alive } of this.#threads.status(Date.now())) {
      if (!alive) reasons.push(`worker ${index} is being replaced`)
    }
    for (const pool of this.#config.admin.readyRequires) {
      if (this.#registry.usable(pool) === 0) reasons.push(`pool ${pool} has no usable endpoint`)
    }
    return { ok: reasons.length === 0, reasons }
  }

  async metrics(): Promise<{ contentType: string; text: string }> {
    this.#metrics ??= await this.#createMetrics()
    return { contentType: this.#metrics.contentType, text: await this.#metrics.render() }
  }

  /** Applies the configuration as it is now, whole or not at all. Never rejects; one reload at a time. */
  reload(): Promise<Answer> {
    const next = this.#reloading.then(() => this.#reload())
    this.#reloading = next
    return next
  }

  /** Begins the drain of case 17; `hurry` leaves out the time for load balancers to notice. */
  drain(hurry = false): Answer {
    if (this.#drained !== null) return { ok: true, message: 'draining already' }
    this.#state = 'draining'
    const config = this.#config.drain
    this.#log.info(
      { deadlineMs: config.deadlineMs },
      `draining: not ready any more; ends within ${config.deadlineMs} ms`,
    )
    this.#drained = drain({
      config: hurry ? { ...config, notReadyDelayMs: 0 } : config,
      log: this.#log,
      after,
      nowMs,
      active: () => this.#tally.sum(workerCell.active),
      stopAccepting: () => this.#stopAccepting(),
      retire: (windowMs, idleAfterMs) =>
        this.#threads.broadcast({ kind: 'retire', slots: null, windowMs, idleAfterMs }),
      kill: () => this.#threads.broadcast({ kind: 'kill' }),
    })
    this.#drainAsked(this.#drained)
    return {
      ok: true,
      message: `draining: ends when the last connection does, within ${config.deadlineMs} ms`,
    }
  }

  endpoint(pool: string, endpoint: string, action: 'drain' | 'ready'): Answer {
    const result =
      action === 'drain' ? this.#registry.drain(pool, endpoint) : this.#registry.ready(pool, endpoint)
    if (!result.ok) return result
    const state = action === 'drain' ? 'draining: it gets no new connections' : 'in use'
    const told = `endpoint ${endpoint} of pool ${pool} is ${state}`
    return { ok: true, message: result.changed ? told : `${told} (it was already)` }
  }

  /** Ends everything at once: what is left is reset. */
  async stop(): Promise<void> {
    this.#shortage?.stop()
    this.#prober?.stop()
    this.#names.stop()
    this.#registry.stop()
    await this.#threads.stop()
    this.#listeners.close()
  }

  /** For tests: a worker dies as by a bug. */
  breakWorker(index: number): void {
    this.#threads.break(index)
  }

  #reload(): Answer {
    const { source } = this.#options
    if (source.load === null) {
      return { ok: false, message: `there is no file to reload: the configuration is the ${source.name}` }
    }
    const loaded = source.load()
    const failure = loaded.kind === 'invalid' ? loaded.message : this.#apply(loaded.config)
    if (failure === null) {
      this.#loadedMs = nowMs()
      this.#lastReload = { successful: true, message: 'applied' }
      this.#log.info({ source: source.name }, `configuration reloaded from ${source.name}`)
      return { ok: true, message: `applied ${source.name}` }
    }
    this.#lastReload = { successful: false, message: failure }
    this.#log.error({ source: source.name }, `configuration not reloaded, nothing has changed:\n${failure}`)
    return { ok: false, message: failure }
  }

  /** null: applied; otherwise why not, and nothing has changed. */
  #apply(config: Config): string | null {
    if (this.#state === 'draining') return 'the program is draining'
    const fixed = (['workers', 'plane', 'admin'] as const).filter(
      (key) => JSON.stringify(config[key]) !== JSON.stringify(this.#config[key]),
    )
    if (fixed.length > 0) return `only a restart can change ${fixed.map((key) => `\`${key}\``).join(', ')}`
    let change: ReturnType<Listeners['bind']>
    try {
      change = this.#listeners.bind(config.listeners)
    } catch (error) {
      if (error instanceof BindError) return error.message
      throw error
    }
    this.#config = config
    this.#options.setLogLevel(config.log.level)
    this.#names.update(config.pools)
    this.#endpointsChanged()
    for (const address of change.added) for (const index of this.#started) this.#lend(index, address)
    for (const address of change.removed) this.#threads.broadcast({ kind: 'unlisten', address })
    change.release()
    return null
  }

  #namesChanged(): void {
    if (this.#publisher.latest !== null) this.#endpointsChanged()
  }

  /** Takes over the pools as they are now, publishes them, and lets go of endpoints that left. */
  #endpointsChanged(): void {
    const before = this.#publisher.latest?.pools ?? []
    const resolved = this.#names.pools()
    this.#registry.update(resolved)
    this.#publisher.publish(this.#config, this.#limit())
    const staying = new Set(
      this.#publisher.latest?.pools.flatMap(({ endpoints }) => endpoints.map(({ slot }) => slot)),
    )
    const closing = new Set(
      this.#config.pools.filter(({ onRemoval }) => onRemoval === 'close').map(({ name }) => name),
    )
    const slots = before
      .filter(({ name }) => closing.has(name))
      .flatMap(({ endpoints }) => endpoints.map(({ slot }) => slot))
      .filter((slot) => !staying.has(slot))
    const { windowMs } = this.#config.drain
    if (slots.length > 0) this.#threads.broadcast({ kind: 'retire', slots, windowMs, idleAfterMs: 0 })
    void import('./control/probe.ts').then(({ probeTargets }) =>
      this.#prober?.update(probeTargets(this.#names.pools())),
    )
  }

  /** Gives a new worker all it needs. */
  #equip(index: number): void {
    this.#started.add(index)
    const snapshot = this.#publisher.latest
    if (snapshot === null) return
    this.#threads.send(index, { kind: 'snapshot', snapshot })
    for (const address of this.#listeners.keys()) this.#lend(index, address)
  }

  #lend(index: number, address: string): void {
    const socket = this.#listeners.lend(address, index)
    if (socket === undefined) return
    const transfer = typeof socket === 'number' ? [] : [socket]
    this.#threads.send(index, { kind: 'listen', address, socket, backlog }, transfer)
  }

  #heard(index: number, address: string): void {
    this.#listening.add(`${index} ${address}`)
    if (this.#listening.size >= this.#workers * this.#listeners.keys().length) this.#allListening()
  }

  #reports(attempts: readonly Attempt[], outcomes: readonly Outcome[]): void {
    for (const attempt of attempts) {
      this.#registry.attempt(attempt)
      if (attempt.error !== null) this.#shortage?.attempt(attempt)
    }
    if (outcomes.length > 0) this.#options.outcomes(outcomes)
  }

  /** Its connections ended with it: counted as our fault, in the row that nobody else writes. */
  #died(index: number): void {
    this.#started.delete(index)
    const row = this.#tally.row(index)
    for (const { slot } of this.#slots.all()) {
      const lost = row[listenerCell(slot) + listenerField.active] ?? 0
      if (lost > 0) add(this.#tally.row(0), closedCell(slot, 'proxy', 'data'), lost)
    }
  }

  #stopAccepting(): void {
    for (const address of this.#listeners.keys()) this.#threads.broadcast({ kind: 'unlisten', address })
    this.#listeners.close()
  }

  #limit(): number {
    const { connections } = this.#config.limits
    if (connections !== 'auto') return connections
    const byDescriptors = (openFileLimit() - spareDescriptors) / 2
    const byMemory = memoryLimitBytes() / 2 / bytesPerConnection
    return Math.max(1, Math.floor(Math.min(byDescriptors, byMemory)))
  }

  #rejected(): number {
    let total = 0
    for (const { slot } of this.#slots.all()) {
      for (const reason of rejections) total += this.#tally.sum(rejectedCell(slot, reason))
    }
    return total
  }

  #nameOf(slot: number): string {
    const found = this.#registry.endpoints().find((endpoint) => endpoint.slot === slot)
    return found === undefined ? `endpoint slot ${slot}` : `pool ${found.pool}: endpoint ${found.endpoint}`
  }

  async #createMetrics(): Promise<Metrics> {
    const { createMetrics } = await import('./telemetry/metrics.ts')
    return createMetrics({
      tally: this.#tally,
      listeners: () => this.#slots.all(),
      endpoints: () => this.#registry.endpoints(),
      healthChecks: () => this.#registry.healthChecks(),
      draining: () => this.#state === 'draining',
      lastReloadSuccessful: () => this.#lastReload.successful,
      logLinesDropped: () => this.#options.logLinesDropped(),
      workerRestarts: () => this.#threads.restarts,
      build: { version: this.#options.version, plane: 'net', node: process.version },
      openFileLimit: openFileLimit(),
    })
  }
}
