import { readdirSync } from 'node:fs'
import { App, type ConfigSource } from '../../src/app.ts'
import type {
  Config,
  ConnectConfig,
  EndpointConfig,
  ListenerConfig,
  PoolConfig,
  TimeoutsConfig,
} from '../../src/config/config.ts'
import { draftOf } from '../../src/config/draft.ts'
import { endpoint as endpointSchema } from '../../src/config/endpoint-schema.ts'
import { listener as listenerSchema } from '../../src/config/listener-schema.ts'
import { pool as poolSchema } from '../../src/config/pool-schema.ts'
import { schema } from '../../src/config/schema.ts'
import { timeouts, timeoutsOf } from '../../src/config/timeouts-schema.ts'
import { socketAddress } from '../../src/core/address.ts'
import type { Connect, Outcome } from '../../src/core/outcome.ts'
import './left-over.ts'
import { ownedPorts } from './port.ts'

/** Nothing in a test should wait longer for an event than this: what a machine that others use may stand still, and more. */
export const patienceMs = 30_000

export type PlaneName = Config['plane']

/** What a test changes of the defaults. Endpoints are ports of 127.0.0.1, `host:port`, or whole endpoints. */
export interface ForwarderOptions {
  readonly plane: PlaneName
  readonly endpoints?: readonly (number | string | Partial<EndpointConfig>)[]
  readonly listen?: string
  readonly maxConnections?: number
  readonly listener?: Partial<ListenerConfig>
  /** More pools like the one of `pool`. */
  readonly alsoPools?: readonly string[]
  readonly pool?: Partial<Omit<PoolConfig, 'connect'>>
  readonly connect?: Partial<ConnectConfig>
  readonly timeouts?: Partial<TimeoutsConfig>
  readonly config?: Partial<Config>
  readonly workers?: number
  /** Probe endpoints as the pool says; off by default, so that a backend sees only what the test does. */
  readonly probe?: boolean
  readonly source?: ConfigSource
  readonly pipesOnLoopback?: boolean
}

export interface LogLine {
  readonly level: 'info' | 'warn' | 'error'
  readonly fields: object
  readonly message: string
}

/** A running program in this process, its data plane in worker threads, with one listener and one pool. */
export class Forwarder {
  readonly app: App
  readonly lines: LogLine[]
  readonly #outcomes: Outcome[]
  /** Connections that were told of when they were connected. */
  readonly connects: readonly Connect[]
  #taken = 0
  readonly #wake: { call: () => void }

  private constructor(
    app: App,
    lines: LogLine[],
    { outcomes, connects }: { outcomes: Outcome[]; connects: Connect[] },
    wake: { call: () => void },
  ) {
    this.app = app
    this.lines = lines
    this.#outcomes = outcomes
    this.connects = connects
    this.#wake = wake
  }

  static async start(options: ForwarderOptions): Promise<Forwarder> {
    const lines: LogLine[] = []
    const outcomes: Outcome[] = []
    const connects: Connect[] = []
    const wake = { call: () => {} }
    const told = (level: LogLine['level']) => (fields: object, message: string) => {
      lines.push({ level, fields, message })
      wake.call()
    }
    const config = configOf(options)
    const app = new App({
      config,
      source: options.source ?? { name: 'test', load: null },
      version: 'test',
      log: { info: told('info'), warn: told('warn'), error: told('error') },
      setLogLevel() {},
      accessLines(lines) {
        for (const line of lines.trimEnd().split('\n')) {
          const record = JSON.parse(line)
          if (record.msg === 'connected') connects.push(record)
          else outcomes.push(record)
        }
        wake.call()
      },
      logLinesDropped: () => 0,
      pipesOnLoopback: options.pipesOnLoopback ?? false,
    })
    await app.start()
    if (options.probe === true) await app.probe()
    return new Forwarder(app, lines, { outcomes, connects }, wake)
  }

  get port(): number {
    return this.portOf('main')
  }

  portOf(listener: string): number {
    const address = this.app.address(listener) ?? ''
    return Number(address.slice(address.lastIndexOf(':') + 1))
  }

  /** All connections that were told of so far. */
  get outcomes(): readonly Outcome[] {
    return this.#outcomes
  }

  /** The next connection's end. */
  async outcome(): Promise<Outcome> {
    const at = this.#taken++
    await this.until(() => this.#outcomes.length > at)
    const outcome = this.#outcomes[at]
    if (outcome === undefined) throw new Error('an outcome was told and is gone')
    return outcome
  }

  /** Resolves with the first log line that matches, past or future. */
  async line(pattern: RegExp): Promise<LogLine> {
    await this.until(() => this.lines.some(({ message }) => pattern.test(message)))
    const found = this.lines.find(({ message }) => pattern.test(message))
    if (found === undefined) throw new Error('a line was told and is gone')
    return found
  }

  /** Polls: shared memory has no events. Rejects when it takes too long. */
  async until(condition: () => boolean, waitMs = patienceMs): Promise<void> {
    const deadline = performance.now() + waitMs
    while (!condition()) {
      if (performance.now() > deadline) throw new Error(`waited ${waitMs} ms for: ${condition}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 5)
        this.#wake.call = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  /** A sample of the metrics page, 0 when there is no such series. */
  async metric(series: string): Promise<number> {
    const { text } = await this.app.metrics()
    const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `))
    return line === undefined ? 0 : Number(line.slice(series.length + 1))
  }

  /** Ends the program. Rejects unless every gauge comes back to zero: nothing may be left of any connection. */
  async close(): Promise<void> {
    const left = async () => {
      const { connections, pools } = this.app.status()
      const endpoints = pools.flatMap((pool) => pool.endpoints).filter(({ active }) => active !== 0)
      const bytes = await this.metric('spliceway_buffered_bytes')
      return { connections: connections.active, endpoints: endpoints.map(({ endpoint }) => endpoint), bytes }
    }
    try {
      await this.until(() => this.app.status().connections.active === 0)
      const gauges = await left()
      if (gauges.bytes !== 0 || gauges.endpoints.length > 0)
        throw new Error(`gauges: ${JSON.stringify(gauges)}`)
    } finally {
      await this.app.stop()
    }
  }
}

/** Descriptors of this process, its worker threads included, but for those of ports that are its own. */
export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length - ownedPorts()
}

export const usualTimeouts: TimeoutsConfig = timeoutsOf(timeouts.parse({}), null)
/** A listener on a port that the kernel chooses. */
export const usualListener: ListenerConfig = {
  ...listenerSchema.parse({ name: 'main', listen: '127.0.0.1:0', pool: 'main' }),
  timeouts: usualTimeouts,
}

/** What the test says; the rest is as the schema has it, but for what would be in a test's way. */
export function configOf(options: ForwarderOptions): Config {
  const usual = draftOf(schema.parse({ admin: { socket: 'off', listen: 'off' } })).config
  const usualPool = poolSchema.parse({})
  const listener: ListenerConfig = {
    ...usualListener,
    host: options.listen ?? usualListener.host,
    maxConnections: options.maxConnections ?? null,
    timeouts: { ...usualTimeouts, ...options.timeouts },
    ...options.listener,
  }
  const pool: PoolConfig = {
    ...usualPool,
    name: 'main',
    endpoints: (options.endpoints ?? []).map(endpointOf),
    balance: 'round-robin',
    health: { ...usualPool.health, probe: { kind: 'off' } },
    slowStartMs: 0, // so that what a test takes out and brings back counts at once
    ...options.pool,
    connect: { ...usualPool.connect, ...options.connect },
  }
  return {
    ...usual,
    listeners: [listener],
    pools: [pool, ...(options.alsoPools ?? []).map((name) => ({ ...pool, name }))],
    drain: { notReadyDelayMs: 0, windowMs: 200, deadlineMs: 500, idleAfterMs: 50 },
    workers: options.workers ?? 1,
    plane: options.plane,
    ...options.config,
  }
}

function endpointOf(given: number | string | Partial<EndpointConfig>): EndpointConfig {
  const defaults = { ...endpointSchema.parse('127.0.0.1:1'), port: 0 }
  if (typeof given === 'number') return { ...defaults, port: given }
  if (typeof given !== 'string') return { ...defaults, ...given }
  if (given.startsWith('unix:')) return endpointSchema.parse(given)
  const colon = given.lastIndexOf(':')
  const host = given.slice(0, colon).replace(/^\[|\]$/g, '')
  if (socketAddress(host, 0) === undefined) throw new Error(`${given}: not a literal address`)
  return { ...defaults, host, port: Number(given.slice(colon + 1)) }
}
