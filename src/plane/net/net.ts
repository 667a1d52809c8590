import type { Cancel, Plane } from '../plane.ts'
import type { Sight } from '../sight.ts'
import { createSweeper } from '../sweeper.ts'
import { createBuffers } from './buffers.ts'
import { dial } from './dial.ts'
import { listen } from './listen.ts'
import { NetRelay } from './relay.ts'
import type { NetWire } from './wire.ts'

export interface NetPlaneOptions {
  /** null: this host's kernel cannot be asked (koffi did not load). */
  readonly sight: Sight | null
}

/** The plane over node:net: runs everywhere, the reference for correctness and the fallback. One per thread. */
export function createNetPlane({ sight }: NetPlaneOptions): Plane<NetWire> {
  const now = (): number => performance.now()
  const after = (ms: number, fire: () => void): Cancel => {
    const timer = setTimeout(fire, ms)
    return () => clearTimeout(timer)
  }
  const buffers = createBuffers()
  const context = { now, sight, sweeper: createSweeper(now, after) }
  return {
    listen: (spec, accept, refused) => listen(buffers, spec, accept, refused),
    dial: (endpoint, options, done) => dial(buffers, endpoint, options, done),
    relay: (downstream, upstream, options) => new NetRelay(context, downstream, upstream, options),
    after,
    now,
    wakeDescriptor: null,
    close() {}, // libuv's loop ends when nothing is left in it
  }
}
