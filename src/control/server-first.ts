import type { PoolSnapshot, WarmSnapshot } from '../core/snapshot.ts'
import { durationText } from '../core/wording.ts'

/**
 * Pools whose endpoints send something on a connection that nobody has used: a warm connection there would greet one client
 * with what was meant for another moment, and is useless at best. Such a pool is not kept warm until its `warm` changes.
 */
export class ServerFirst {
  /** By pool, with what `warm` was when it was found. */
  readonly #found = new Map<string, WarmSnapshot>()

  /** An endpoint of `pool`, as it was published, spoke first. False: that is known. */
  heard({ name, warm }: PoolSnapshot): boolean {
    if (warm === null) return false
    this.#found.set(name, warm)
    return true
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
export function serverFirstText(pool: string, endpoint: string, ageMs: number, maxAgeMs: number): string {
  return (
    `pool ${pool}: warm connections are off: endpoint ${endpoint} sent something on a connection that nobody had used, ` +
    `${durationText(ageMs)} after it was opened. Its protocol lets the server speak first, or it gives clients less time than ` +
    `warm.maxAge (${durationText(maxAgeMs)}). Leave warm out; changing it tries again`
  )
}
