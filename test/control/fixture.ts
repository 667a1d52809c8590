import type { EndpointConfig, HealthConfig, PoolConfig } from '../../src/config/config.ts'
import { pool } from '../../src/config/pool-schema.ts'
import { formatAddress, socketAddress } from '../../src/core/address.ts'
import type { After } from '../../src/core/after.ts'
import type { Verdict } from '../../src/core/health.ts'
import type { Log } from '../../src/core/log.ts'
import type { EndpointId } from '../../src/core/snapshot.ts'
import type { ResolvedEndpoint, ResolvedPool } from '../../src/discovery/resolved-pool.ts'

/** Time that moves only when a test says so. */
export class FakeClock {
  #nowMs = 0
  #timers = new Set<{ readonly atMs: number; readonly fire: () => void }>()

  readonly nowMs = (): number => this.#nowMs

  readonly after: After = (ms, fire) => {
    const timer = { atMs: this.#nowMs + ms, fire }
    this.#timers.add(timer)
    return () => void this.#timers.delete(timer)
  }

  get pending(): number {
    return this.#timers.size
  }

  /** Moves on by `ms` and fires what falls due on the way, in order. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms
    for (;;) {
      const due = [...this.#timers].filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0]
      if (due === undefined) break
      this.#timers.delete(due)
      this.#nowMs = Math.max(this.#nowMs, due.atMs)
      due.fire()
    }
    this.#nowMs = endMs
  }
}

/** A log that keeps `info message` and so on. */
export class RecordedLog implements Log {
  readonly lines: string[] = []

  info(_: object, message: string): void {
    this.lines.push(`info ${message}`)
  }

  warn(_: object, message: string): void {
    this.lines.push(`warn ${message}`)
  }

  error(_: object, message: string): void {
    this.lines.push(`error ${message}`)
  }

  /** The lines since the last call. */
  take(): string[] {
    return this.lines.splice(0)
  }
}

const usual = pool.parse({})

export const health: HealthConfig = usual.health

/** As the schema has it, without slow start: what comes back counts at once. */
export function poolConfig(changes: Partial<PoolConfig> = {}): PoolConfig {
  return { ...usual, name: 'web', slowStartMs: 0, ...changes }
}

export function endpointConfig(host: string, port: number, priority = 0): EndpointConfig {
  return { host, port, priority, weight: 1, maxConnections: null }
}

export function resolvedEndpoint(ip: string, port = 9443, priority = 0): ResolvedEndpoint {
  const address = socketAddress(ip, port)
  if (address === undefined) throw new Error(`${ip} is not an address`)
  const id = formatAddress(address) as EndpointId
  return { id, address, name: null, priority, weight: 1, maxConnections: null }
}

export function resolvedPool(ips: readonly string[], changes: Partial<PoolConfig> = {}): ResolvedPool {
  return { config: poolConfig(changes), endpoints: ips.map((ip) => resolvedEndpoint(ip)), unresolved: [] }
}

export const good: Verdict = { ok: true, ms: 1, detail: 'tcp: connected in 1.0 ms', spoke: false }
export const bad: Verdict = { ok: false, reason: 'tcp: connection refused', fault: 'endpoint' }
