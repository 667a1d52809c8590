import { type Member, Roster } from '../core/roster.ts'
import type { Cancel } from './plane.ts'

/** Something with deadlines that may be late by a sweep. */
export interface Sweepable extends Member {
  /** The longest time between two sweeps that its deadlines bear. */
  readonly sweepMs: number
  /** Checks its deadlines. */
  sweep(nowMs: number): void
}

export interface Sweeper {
  add(entry: Sweepable): void
  remove(entry: Sweepable): void
}

/**
 * One timer a thread instead of one a connection: a timer that is refreshed with each chunk and made with
 * each connection costs more than looking at all of them once a second.
 */
export function createSweeper(now: () => number, after: (ms: number, fire: () => void) => Cancel): Sweeper {
  const entries = new Roster<Sweepable>()
  let cancel: Cancel | null = null
  let everyMs = Number.POSITIVE_INFINITY

  const sweep = (): void => {
    const nowMs = now()
    cancel = after(everyMs, sweep)
    entries.visit((entry) => entry.sweep(nowMs))
  }
  const stop = (): void => {
    cancel?.()
    cancel = null
    everyMs = Number.POSITIVE_INFINITY
  }
  return {
    add(entry) {
      entries.add(entry)
      if (entry.sweepMs >= everyMs) return
      stop()
      everyMs = entry.sweepMs
      cancel = after(everyMs, sweep)
    },
    remove(entry) {
      entries.remove(entry)
      if (entries.size === 0) stop()
    },
  }
}
