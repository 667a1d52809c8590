import type { HeldSockets } from '../core/inherited.ts'
import type { ListenerOffer } from './message.ts'

/** What goes into one message, and the descriptors beside it. */
export interface Batch {
  readonly listeners: readonly ListenerOffer[]
  readonly descriptors: readonly number[]
}

/**
 * Spreads the sockets over messages of at most `most` descriptors each, in order; an address may be in two of
 * them.
 */
export function offers(held: readonly HeldSockets[], most: number): readonly Batch[] {
  const batches: Batch[] = []
  let listeners: ListenerOffer[] = []
  let descriptors: number[] = []
  const close = (): void => {
    batches.push({ listeners, descriptors })
    listeners = []
    descriptors = []
  }
  for (const { key, address, descriptors: all, shared } of held) {
    let from = 0
    do {
      if (descriptors.length === most) close()
      const part = all.slice(from, from + most - descriptors.length)
      listeners.push({ key, ...address, descriptors: part.length, shared })
      descriptors.push(...part)
      from += part.length
    } while (from < all.length)
  }
  close()
  return batches
}
