import type { Status, WorkerStatus } from './status.ts'

export interface Readiness {
  readonly ok: boolean
  /** One line each: why not; or, when ok, what is worth knowing nevertheless. */
  readonly reasons: readonly string[]
}

/** What of a Status is asked for readiness. */
export type Bearing = Pick<Status, 'state' | 'connections' | 'listeners' | 'workers'>

/**
 * A worker beats once a second. This long without a beat its connections stand still, and it accepts none.
 */
export const hungMs = 5_000
/**
 * The same for liveness. Its reader kills the process, so the limit is longer than any burst of work can
 * take.
 */
const deadMs = 10_000

/** Whether every worker shows signs of life. The main loop needs no check: it is running this code. */
export function liveness(workers: readonly WorkerStatus[]): Readiness {
  const reasons = workers.filter(({ heartbeatAgeMs }) => heartbeatAgeMs >= deadMs).map(silence)
  return { ok: reasons.length === 0, reasons }
}

/**
 * Whether new connections are welcome: it serves, every worker beats, there is room, and each pool of
 * `required` has a usable endpoint. A listener that is full is told of, and makes the program not ready only
 * when no other one has room: a balancer that asks would take all of them away.
 */
export function readiness(
  status: Bearing,
  required: readonly string[],
  usable: (pool: string) => number,
): Readiness {
  const { state, workers, listeners, connections } = status
  const full = listeners.filter((listener) => listener.full === 'listener-limit')
  const atLimit = listeners.some((listener) => listener.full === 'limit')
  const noRoom = atLimit || (full.length > 0 && full.length === listeners.length)
  const notes = full.map(
    ({ name, maxConnections }) =>
      `listener ${name} is at its limit of ${maxConnections} connections (maxConnections)`,
  )
  const program = `the program is at its limit of ${connections.limit} connections (${connections.limitedBy})`
  const faults = [
    ...(state === 'serving' ? [] : [state]),
    ...workers.filter(({ alive }) => !alive).map(({ index }) => `worker ${index} is being replaced`),
    ...workers.filter(({ alive, heartbeatAgeMs }) => alive && heartbeatAgeMs >= hungMs).map(silence),
    ...(atLimit ? [program] : []),
    ...(noRoom ? notes : []),
    ...required.filter((pool) => usable(pool) === 0).map((pool) => `pool ${pool} has no usable endpoint`),
  ]
  return faults.length > 0 ? { ok: false, reasons: faults } : { ok: true, reasons: notes }
}

function silence({ index, heartbeatAgeMs }: WorkerStatus): string {
  return `worker ${index} gave no sign of life for ${Math.round(heartbeatAgeMs)} ms`
}
