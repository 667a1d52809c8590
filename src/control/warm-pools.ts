import type { Log } from '../core/log.ts'
import type { PoolSnapshot } from '../core/snapshot.ts'
import { warmSockets, warmWithin } from '../core/warm.ts'
import { type Machine, warmRoom } from './capacity.ts'
import { ServerFirst, serverFirstText } from './server-first.ts'

export interface WarmPoolsDeps {
  readonly log: Log
  readonly workers: number
  readonly machine: Machine
  /** Of the latest snapshot. */
  readonly pools: () => readonly PoolSnapshot[]
  /** Pools are published otherwise from now on. */
  readonly changed: () => void
}

/** Which pools keep connections for clients: those that say so, whose servers wait, as far as descriptors suffice. */
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
  sockets(pools: readonly PoolSnapshot[] = this.#deps.pools()): number {
    return pools.reduce((sum, pool) => sum + warmSockets(pool, this.#deps.workers), 0)
  }

  /** An endpoint has sent something on a connection that nobody had used, `ageMs` after it was opened. */
  spoke(slot: number, ageMs: number): void {
    const { log, pools, changed } = this.#deps
    const found = pools()
      .flatMap((pool) => pool.endpoints.map((endpoint) => ({ pool, endpoint })))
      .find(({ endpoint }) => endpoint.slot === slot)
    if (found === undefined) return // it left meanwhile
    const { pool, endpoint } = found
    const { warm } = pool
    if (warm === null || !this.#serverFirst.heard(pool)) return
    const message = serverFirstText(pool.name, endpoint.id, ageMs, warm.maxAgeMs)
    log.warn({ pool: pool.name, endpoint: endpoint.id }, message)
    changed()
  }
}
