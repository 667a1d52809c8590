import type { Relay } from '../../src/plane/plane.ts'

/** A relay for tests of what is around it: it does nothing, and has been silent for `idleMs`. */
export function noRelay(idleMs: (nowMs: number) => number = () => 0): Relay {
  return {
    idleMs,
    finish() {},
    kill() {},
    guard() {},
    detach: () => null,
    counts: () => ({ bytesUp: 0, bytesDown: 0, heldUp: 0, heldDown: 0, halfClosed: false }),
    tcp: () => ({ client: null, endpoint: null }),
  }
}
