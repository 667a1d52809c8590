import type { Timeouts } from '../core/snapshot.ts'
import type { Cancel, RelayEnd, Wire } from '../plane/plane.ts'
import type { SessionContext } from './context.ts'

/**
 * Lives end up to this share sooner, at random: connections that came together must not all come back
 * together.
 */
const spread = 0.1

/** Calls `over` when the life of a connection that begins now is over; with `timeouts.session` off, never. */
export function beginLife<W extends Wire>(
  { plane, random }: SessionContext<W>,
  { sessionMs }: Timeouts,
  over: () => void,
): Cancel {
  return sessionMs === 0 ? unlimited : plane.after(sessionMs * (1 - spread * random()), over)
}

function unlimited(): void {}

/** Whether a relay that was told to finish, because its life was over, has ended for that reason. */
export function endedByAge({ kind, closed }: RelayEnd): boolean {
  // A reset that was being passed on when the time came is the peer's.
  return kind === 'reset' ? closed.first === 'proxy' : kind !== 'fault'
}
