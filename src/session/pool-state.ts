import { RetryBudget } from '../core/retry-budget.ts'
import type { PoolSnapshot } from '../core/snapshot.ts'
import type { Cancel } from '../plane/plane.ts'
import { Queue } from './queue.ts'

/** What a worker remembers of a pool from one snapshot to the next. */
export interface PoolState {
  readonly retries: RetryBudget
  readonly queue: Queue
}

/** The states of a worker's pools, by name. Each of `workers` has its share of a queue; `queued`: so many more wait. */
export function poolStates(
  after: (ms: number, fire: () => void) => Cancel,
  workers: number,
  queued: (delta: number) => void,
): (pool: PoolSnapshot) => PoolState {
  const states = new Map<string, PoolState>()
  return ({ name, queue: { connections, timeoutMs } }) => {
    const most = Math.ceil(connections / workers)
    const known = states.get(name)
    known?.queue.resize(most, timeoutMs)
    const state = known ?? { retries: new RetryBudget(), queue: new Queue(after, queued, most, timeoutMs) }
    states.set(name, state)
    return state
  }
}
