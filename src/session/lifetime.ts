import type { Timeouts } from '../core/snapshot.ts'
import type { Cancel, RelayEnd, Wire } from '../plane/plane.ts'
import type { SessionContext } from './context.ts'

/**
 * Lives end up to this share sooner, at random: connections that came together must not all come back
 * together.
 */
const spread = 0.1

/** How long a connection may last. */
export interface Life {
  /** By the plane's clock; Infinity: for ever. */
  readonly endsMs: number
  readonly cancel: Cancel
}

/** With `timeouts.session` off. */
export const unlimited: Life = { endsMs: Number.POSITIVE_INFINITY, cancel() {} }

/** Calls `over` when the life of a connection that begins now is over. */
export function beginLife<W extends Wire>(
  { plane, random }: SessionContext<W>,
  { sessionMs }: Timeouts,
  over: () => void,
): Life {
  return sessionMs === 0 ? unlimited : lifeOf(plane, sessionMs * (1 - spread * random()), over)
}

/** A life of which `leftMs` are left. */
export function lifeOf(
  plane: Pick<SessionContext<Wire>['plane'], 'now' | 'after'>,
  leftMs: number,
  over: () => void,
): Life {
  return { endsMs: plane.now() + leftMs, cancel: plane.after(leftMs, over) }
}

/** Whether a relay that was told to finish, because its life was over, has ended for that reason. */
export function endedByAge({ kind, closed }: RelayEnd): boolean {
  // A reset that was being passed on when the time came is the peer's.
  return kind === 'reset' ? closed.first === 'proxy' : kind !== 'fault'
}
