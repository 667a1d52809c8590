import type { PoolSnapshot } from './snapshot.ts'

/**
 * How many warm connections to the endpoint in `slot` worker `index` (1 to workers) keeps, of `connections`
 * over all workers. The kernel spreads clients over the workers and a worker cannot use another one's, so
 * each keeps at least one: with fewer connections than workers there are as many as workers. The remainder
 * goes to other workers for the next slot.
 */
export function warmShare(connections: number, workers: number, index: number, slot: number): number {
  const more = (index - 1 + slot) % workers < connections % workers ? 1 : 0
  return Math.max(1, Math.floor(connections / workers) + more)
}

/** Sockets that a pool keeps open for clients to come, over all workers. */
export function warmSockets({ warm, endpoints }: PoolSnapshot, workers: number): number {
  return warm === null ? 0 : endpoints.length * Math.max(warm.connections, workers)
}

/** The pools with `warm` only where it fits into `room` sockets, the first pools first. */
export function warmWithin(
  pools: readonly PoolSnapshot[],
  workers: number,
  room: number,
): readonly PoolSnapshot[] {
  let left = room
  return pools.map((pool) => {
    const sockets = warmSockets(pool, workers)
    if (sockets > left) return { ...pool, warm: null }
    left -= sockets
    return pool
  })
}
