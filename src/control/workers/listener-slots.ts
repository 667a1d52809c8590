import { listenerCell, listenerField, maxListeners, type Tally } from '../../core/tally.ts'

/** Which rows' cells belong to which listener, by name, so that a listener's counters survive a reload. */
export interface ListenerSlots {
  /** Whether there is room for all of these, beside departed ones that have connections left. */
  fits(names: readonly string[]): boolean
  /** The slot of a listener; a new one is taken for a new name. Throws RangeError unless it fits(). */
  of(name: string): number
  /** All listeners in use: the configured ones, and removed ones that still have connections. */
  all(): readonly { readonly name: string; readonly slot: number }[]
  /** Frees the slots of listeners that are neither in `names` nor have connections left. */
  keep(names: ReadonlySet<string>): void
}

export function createListenerSlots(tally: Tally): ListenerSlots {
  const slots = new Map<string, number>()
  let kept: ReadonlySet<string> = new Set()

  const sweep = (): void => {
    for (const [name, slot] of slots) {
      if (kept.has(name) || tally.sum(listenerCell(slot) + listenerField.active) > 0) continue
      slots.delete(name)
      tally.clearListener(slot)
    }
  }
  const free = (): number => {
    const used = new Set(slots.values())
    for (let slot = 0; slot < maxListeners; slot++) if (!used.has(slot)) return slot
    throw new RangeError(`more than ${maxListeners} listeners, departed ones with connections included`)
  }
  return {
    fits(names) {
      sweep()
      return new Set([...slots.keys(), ...names]).size <= maxListeners
    },
    of(name) {
      const known = slots.get(name)
      if (known !== undefined) return known
      const slot = free()
      slots.set(name, slot)
      return slot
    },
    all() {
      sweep()
      return [...slots].map(([name, slot]) => ({ name, slot }))
    },
    keep(names) {
      kept = names
      sweep()
    },
  }
}
