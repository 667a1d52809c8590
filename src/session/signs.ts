import type { Sign } from '../core/sign.ts'
import type { Cancel } from '../plane/plane.ts'

/** A storm of signs makes at most one message a millisecond. */
const urgentMs = 1

/** Tells main of a sign. */
export type Signs = (sign: Sign) => void

export function createSigns(
  after: (ms: number, fire: () => void) => Cancel,
  send: (signs: readonly Sign[]) => void,
): Signs {
  let waiting: Sign[] = []
  return (sign) => {
    if (waiting.push(sign) > 1) return
    after(urgentMs, () => {
      const signs = waiting
      waiting = []
      send(signs)
    })
  }
}
