import { type Cause, failures, type Outcome, type Phase } from '../core/outcome.ts'
import type { Snapshot } from '../core/snapshot.ts'
import type { Wire } from '../plane/plane.ts'
import type { Relaying } from './relaying.ts'
import type { End } from './session-state.ts'

/** What the line of a connection says of it whatever its end was like. */
export type Told = Pick<
  Outcome,
  'id' | 'listener' | 'client' | 'serverName' | 'pool' | 'attempts' | 'moves'
> & {
  readonly startMs: number
}

/** Whether an end is a line of the access log. */
export function hasLine({ access, logEmpty }: Snapshot, cause: Cause, end: End): boolean {
  if (access === 'none' || (access === 'errors' && cause === 'none')) return false
  return logEmpty || end.bytesUp + end.bytesDown > 0 || failures.has(cause)
}

/** `reached`: null when no endpoint was. */
export function outcomeOf<W extends Wire>(
  { startMs, ...told }: Told,
  reached: Relaying<W> | null,
  end: End,
  [cause, phase]: readonly [Cause, Phase],
  durationMs: number,
): Outcome {
  return {
    ...told,
    endpoint: reached === null ? null : reached.endpoint.id,
    connectMs: reached === null ? null : reached.sinceMs - startMs,
    durationMs,
    bytesUp: end.bytesUp,
    bytesDown: end.bytesDown,
    cause,
    phase,
    closed: end.closed,
    firstByteMs: reached === null ? null : reached.firstByteMs,
    look: reached === null ? null : reached.look,
  }
}
