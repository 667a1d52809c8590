import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import { Fault } from './case.ts'

/** Turns of the event loop before it looks once a millisecond: about the time of an exchange over loopback. */
const eagerTurns = 200

/** Longer than a busy machine takes for anything but waiting. */
export const patienceMs = 10_000

/** Resolves with what `look` finds when it finds something. Throws Fault, with `missing`, when it does not in time. */
export async function until<T>(look: () => T | undefined, missing: string, limitMs = patienceMs): Promise<T> {
  const deadline = performance.now() + limitMs
  for (let turns = 0; ; turns++) {
    const found = look()
    if (found !== undefined) return found
    if (performance.now() > deadline) throw new Fault(`${missing} within ${limitMs / 1_000} s`)
    await (turns < eagerTurns ? turn() : sleep(1))
  }
}

/** The same, as an answer: false when it did not come about in time. */
export async function happens(look: () => boolean, limitMs: number): Promise<boolean> {
  const found = await until(() => look() || undefined, '', limitMs).catch((error: unknown) => {
    if (error instanceof Fault) return false
    throw error
  })
  return found
}
