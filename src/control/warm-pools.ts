import type { Log } from '../core/log.ts'
import type { PoolSnapshot, WarmSnapshot } from '../core/snapshot.ts'
import { warmSockets, warmWithin } from '../core/warm.ts'
import { durationText } from '../core/wording.ts'
import { type Machine, warmRoom } from './capacity.ts'

export interface WarmPoolsDeps {
  readonly log: Log
  readonly workers: number
  readonly machine: Machine
}

/**
 * Which pools keep connections for clients: those that say so, whose servers wait, as far as descriptors
 * suffice.
 */
export class WarmPools {
  readonly #deps: WarmPoolsDeps
  readonly #serverFirst = new ServerFirst()
  /** Pools that were said to be too many. */
  #cold: ReadonlySet<string> = new Set()

  constructor(deps: WarmPoolsDeps) {
    this.#deps = deps
  }

  /** The pools as workers get them. */
  published(pools: readonly PoolSnapshot[]): readonly PoolSnapshot[] {
    const { log, workers, machine } = this.#deps
    const wanted = this.#serverFirst.apply(pools)
    const room = warmRoom(machine)
    const published = warmWithin(wanted, workers, room)
    const cold = wanted.filter(({ warm }, at) => warm !== null && published[at]?.warm === null)
    for (const { name } of cold) {
      if (this.#cold.has(name)) continue
      const message = `pool ${name}: warm connections are off: all pools together may have ${room} of them, a quarter of this process's descriptors. Raise LimitNOFILE= (systemd) or ulimit -n, or lower warm.connections`
      log.warn({ pool: name }, message)
    }
    this.#cold = new Set(cold.map(({ name }) => name))
    return published
  }

  /** Descriptors that the warm connections of `pools` take. */
  sockets(pools: readonly PoolSnapshot[]): number {
    return pools.reduce((sum, pool) => sum + warmSockets(pool, this.#deps.workers), 0)
  }

  /**
   * An endpoint of `pools`, as they were published, has sent something on a connection that nobody had used,
   * `ageMs` after it was opened. True: its pool is to be published otherwise from now on.
   */
  spoke(pools: readonly PoolSnapshot[], slot: number, ageMs: number): boolean {
    const found = pools
      .flatMap((pool) => pool.endpoints.map((endpoint) => ({ pool, endpoint })))
      .find(({ endpoint }) => endpoint.slot === slot)
    if (found === undefined) return false // it left meanwhile
    const { pool, endpoint } = found
    if (pool.warm === null) return false // that is known
    this.#serverFirst.heard(pool.name, pool.warm)
    const message = serverFirstText(pool.name, endpoint.id, ageMs, pool.warm.maxAgeMs)
    this.#deps.log.warn({ pool: pool.name, endpoint: endpoint.id }, message)
    return true
  }
}

/**
 * Pools whose endpoints send something on a connection that nobody has used: a warm connection there would
 * greet one client with what was meant for another moment, and is useless at best. Such a pool is not kept
 * warm until its `warm` changes.
 */
class ServerFirst {
  /** By pool, with what `warm` was when it was found. */
  readonly #found = new Map<string, WarmSnapshot>()

  /** An endpoint of a pool spoke first. */
  heard(pool: string, warm: WarmSnapshot): void {
    this.#found.set(pool, warm)
  }

  /** The pools as they may be published: those that were found are not warm. */
  apply(pools: readonly PoolSnapshot[]): readonly PoolSnapshot[] {
    return pools.map((pool) => {
      const found = this.#found.get(pool.name)
      if (found === undefined || pool.warm === null) return pool
      const { connections, maxAgeMs } = pool.warm
      if (found.connections === connections && found.maxAgeMs === maxAgeMs) return { ...pool, warm: null }
      this.#found.delete(pool.name)
      return pool
    })
  }
}

/** `ageMs`: how long the connection was open when the endpoint spoke. */
function serverFirstText(pool: string, endpoint: string, ageMs: number, maxAgeMs: number): string {
  return (
    `pool ${pool}: warm connections are off: endpoint ${endpoint} sent something on a connection that nobody had used, ` +
    `${durationText(ageMs)} after it was opened. Its protocol lets the server speak first, or it gives clients less time than ` +
    `warm.maxAge (${durationText(maxAgeMs)}). Leave warm out; changing it tries again`
  )
}
