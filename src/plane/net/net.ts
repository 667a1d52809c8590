import type { Cancel, Plane } from '../plane.ts'
import { createSweeper } from '../sweeper.ts'
import { createBuffers } from './buffers.ts'
import { dial } from './dial.ts'
import { listen } from './listen.ts'
import { NetRelay } from './relay.ts'
import type { NetWire } from './wire.ts'

/** The plane over node:net: runs everywhere, the reference for correctness and the fallback. One per thread. */
export function createNetPlane(): Plane<NetWire> {
  const now = (): number => performance.now()
  const after = (ms: number, fire: () => void): Cancel => {
    const timer = setTimeout(fire, ms)
    return () => clearTimeout(timer)
  }
  const buffers = createBuffers()
  const context = { now, sweeper: createSweeper(now, after) }
  return {
    listen: (spec, accept, refused) => listen(buffers, spec, accept, refused),
    dial: (endpoint, options, done) => dial(buffers, endpoint, options, done),
    relay: (downstream, upstream, options) => new NetRelay(context, downstream, upstream, options),
    after,
    now,
    asksForRoom: false, // libuv has accepted before it tells
    wakeDescriptor: null,
    close() {}, // libuv's loop ends when nothing is left in it
  }
}
