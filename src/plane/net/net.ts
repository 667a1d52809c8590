import type { Cancel, Plane } from '../plane.ts'
import type { Sight } from '../sight.ts'
import { createSweeper } from '../sweeper.ts'
import { createBuffers } from './buffers.ts'
import { dial } from './dial.ts'
import type { TakeError, Tune } from './handle.ts'
import { listen } from './listen.ts'
import { NetRelay } from './relay.ts'
import type { NetWire } from './wire.ts'

/**
 * What only system calls can do; null where there are none: the plane then does without, as README.md says.
 */
export interface NetPlaneOptions {
  readonly sight: Sight | null
  readonly tune: Tune | null
  readonly takeError: TakeError | null
}

/**
 * The plane over node:net: runs everywhere, the reference for correctness and the fallback. One per thread.
 */
export function createNetPlane({ sight, tune, takeError }: NetPlaneOptions): Plane<NetWire> {
  const now = (): number => performance.now()
  const buffers = createBuffers()
  const context = { now, after, sweeper: createSweeper(now, after), sight, takeError }
  return {
    listen: (spec, accept, refused) => listen(buffers, tune, spec, accept, refused),
    dial: (endpoint, options, done) => dial(buffers, tune, endpoint, options, done),
    relay: (downstream, upstream, options) => new NetRelay(context, downstream, upstream, options),
    adopt: null, // a descriptor that libuv has is closed by libuv, with a shutdown() that others would feel
    after,
    now,
    asksForRoom: false, // libuv has already accepted when it tells us
    wakeDescriptor: null,
    close() {}, // libuv's loop ends when nothing is left in it
  }
}

/**
 * libuv fires timers before it polls: a process that was stopped for longer than a timeout would judge a peer
 * whose bytes are here. An immediate comes after the poll, and what the poll found may still cancel it.
 */
function after(ms: number, fire: () => void): Cancel {
  let polled: NodeJS.Immediate | undefined
  const timer = setTimeout(() => {
    polled = setImmediate(fire)
  }, ms)
  return () => {
    clearTimeout(timer)
    clearImmediate(polled)
  }
}
