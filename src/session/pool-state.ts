import { RetryBudget } from '../core/retry-budget.ts'
import type { PoolSnapshot } from '../core/snapshot.ts'
import type { Cancel } from '../plane/plane.ts'
import { Queue } from './queue.ts'

/** What a worker remembers of a pool from one snapshot to the next. */
export interface PoolState {
  /**
   * As published last. A session that has waited takes its endpoints from here, not from the snapshot that it
   * began with.
   */
  readonly pool: PoolSnapshot
  readonly retries: RetryBudget
  readonly queue: Queue
  /** Sessions that are pausing because no endpoint is left to dial: called when one is up again. */
  readonly pausing: Set<() => void>
}

/**
 * The states of a worker's pools, by name. Each of `workers` has its share of a queue; `queued`: so many more
 * wait.
 */
export function poolStates(
  after: (ms: number, fire: () => void) => Cancel,
  workers: number,
  queued: (delta: number) => void,
): (pool: PoolSnapshot) => PoolState {
  const states = new Map<string, { -readonly [Field in keyof PoolState]: PoolState[Field] }>()
  return (pool) => {
    const { connections, timeoutMs } = pool.queue
    const most = Math.ceil(connections / workers)
    const known = states.get(pool.name)
    if (known !== undefined) {
      const filled = known.pool.endpoints.length === 0 && pool.endpoints.length > 0
      known.pool = pool
      known.queue.resize(most, timeoutMs)
      if (filled) wake(known)
      return known
    }
    const queue = new Queue(after, queued, most, timeoutMs)
    const state = { pool, retries: new RetryBudget(), queue, pausing: new Set<() => void>() }
    states.set(pool.name, state)
    return state
  }
}

/** All sessions that are pausing dial now. */
export function wake({ pausing }: PoolState): void {
  // A copy, because a session that finds no endpoint pauses again.
  for (const dial of [...pausing]) if (pausing.has(dial)) dial()
}
