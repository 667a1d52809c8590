import type { Config } from '../config/config.ts'
import type { Log } from '../core/log.ts'
import type { PoolSnapshot } from '../core/snapshot.ts'
import { capacityWarning, connectionLimit, limitedBy, type Machine } from './capacity.ts'
import type { ListenerRules } from './listener-rules.ts'
import type { Registry } from './registry/registry.ts'
import type { Transparency } from './transparency.ts'
import { WarmPools } from './warm-pools.ts'
import type { DataPlane } from './workers/data-plane.ts'
import { listenerKey } from './workers/listeners.ts'
import type { Threads } from './workers/threads.ts'

export interface PublicationDeps {
  readonly log: Log
  readonly workers: number
  readonly machine: Machine
  readonly registry: Registry
  readonly rules: ListenerRules
  readonly threads: Threads
  readonly dataPlane: DataPlane
  readonly transparency: Transparency
}

/**
 * The configuration that is in force, and what workers know of it: snapshots go down, and this is the one
 * place where they are made.
 */
export class Publication {
  readonly #deps: PublicationDeps
  #config: Config
  readonly #warm: WarmPools

  constructor(config: Config, deps: PublicationDeps) {
    const { threads, registry } = deps
    this.#config = config
    this.#deps = deps
    this.#warm = new WarmPools(deps)
    threads.on('acknowledged', (version) => registry.acknowledged(version))
    threads.on('spoke', (slot, ageMs) => {
      if (this.#warm.spoke(this.#pools, slot, ageMs)) this.publish()
    })
  }

  get config(): Config {
    return this.#config
  }

  /** This configuration is in force from now on: tell the endpoints, and then publish. */
  take(config: Config): void {
    this.#config = config
  }

  /** The first snapshot: from now on workers accept. */
  begin(): void {
    this.#send()
  }

  /** The next snapshot, of what is known now; before begin() there is nothing to replace. */
  publish(): void {
    if (this.#deps.dataPlane.snapshot !== null) this.#send()
  }

  /**
   * Connections that the program takes at most, and what that comes from, in the words of whoever would raise
   * it.
   */
  limit(): { readonly limit: number; readonly limitedBy: string } {
    const { connections } = this.#config.limits
    const { machine } = this.#deps
    const sockets = this.#warm.sockets(this.#pools)
    return {
      limit: connectionLimit(connections, machine, sockets),
      limitedBy: limitedBy(connections, machine, sockets),
    }
  }

  /** What an operator should change so that the machine carries what is configured; empty: nothing. */
  warnings(): readonly string[] {
    const { connections } = this.#config.limits
    const warning = capacityWarning(connections, this.#deps.machine, this.#warm.sockets(this.#pools))
    return warning === null ? [] : [warning]
  }

  stop(): void {
    this.#deps.transparency.stop()
  }

  /** Connections to the endpoint in this slot begin at the client's address. */
  transparent(slot: number): boolean {
    return this.#pools.some(
      ({ transparent, endpoints }) => transparent && endpoints.some((endpoint) => endpoint.slot === slot),
    )
  }

  get #pools(): readonly PoolSnapshot[] {
    return this.#deps.dataPlane.snapshot?.pools ?? []
  }

  /** From what is known to what is sent, each step once and in this order. */
  #send(): void {
    const { registry, rules, dataPlane, machine, transparency } = this.#deps
    const { listeners, limits, log } = this.#config
    const version = (dataPlane.snapshot?.version ?? 0) + 1
    const pools = this.#warm.published(registry.pools(version))
    dataPlane.publish({
      version,
      listeners: listeners.map((listener) => ({
        name: listener.name,
        address: listenerKey(listener),
        slot: dataPlane.slots.of(listener.name),
        pool: listener.pool,
        maxConnections: listener.maxConnections,
        ...rules.of(listener, dataPlane.slots.of(listener.name)),
        timeouts: listener.timeouts,
      })),
      pools,
      maxConnections: connectionLimit(limits.connections, machine, this.#warm.sockets(pools)),
      access: log.access,
      logConnect: log.connect,
      logEmpty: log.empty,
    })
    transparency.update(pools)
  }
}
