import { type Member, Roster } from '../core/roster.ts'
import type { Relay } from '../plane/plane.ts'

/** A connection under way, as drain and the admin see it. */
export interface LiveSession extends Member {
  /** null: still dialing. */
  readonly relay: Relay | null
  /** Slot of the endpoint that it is connected to; -1: none yet. */
  readonly slot: number
  /** Ends it by RST, whatever it is doing. */
  kill(): void
  /** FIN to both sides. */
  finish(): void
  /** RST to both sides and not a word about it: the worker is dying, and main counts what it took along. */
  drop(): void
}

/** How often a retirement looks for connections to end: fine enough to spread them evenly over a window of seconds. */
const stepMs = 50

export interface LiveSessions {
  readonly size: number
  add(session: LiveSession): void
  remove(session: LiveSession): void
  /**
   * Ends connections with FIN as they fall silent for `idleAfterMs`, spread evenly over `windowMs`: of those that are
   * left, never more than the share that the elapsed time allows. Of all (null), those who come within the window too.
   */
  retire(slots: readonly number[] | null, windowMs: number, idleAfterMs: number): void
  /** RST to all. */
  killAll(): void
  /** drop() for all. */
  dropAll(): void
}

/** `after` and `now` are the plane's clock. */
export function createLiveSessions(
  after: (ms: number, fire: () => void) => () => void,
  now: () => number,
): LiveSessions {
  const sessions = new Roster<LiveSession>()
  /** Takes newcomers into the retirement of all; null: there is none. */
  let join: ((session: LiveSession) => void) | null = null

  const retire = (slots: readonly number[] | null, windowMs: number, idleAfterMs: number): void => {
    const retiring = slots === null ? null : new Set(slots)
    const left = new Set<LiveSession>()
    sessions.visit((session) => {
      if (retiring === null || retiring.has(session.slot)) left.add(session)
    })
    let total = left.size
    const startMs = now()
    let finished = 0
    let waiting = false
    const step = (): void => {
      waiting = false
      const elapsedMs = now() - startMs
      const due = windowMs <= stepMs ? total : Math.ceil(total * Math.min(1, elapsedMs / (windowMs - stepMs)))
      for (const session of left) {
        if (finished >= due) break
        if (session.seat === -1) {
          left.delete(session)
          finished++
        } else if (session.relay !== null && session.relay.idleMs(now()) >= idleAfterMs) {
          left.delete(session)
          finished++
          session.finish()
        }
      }
      const over = left.size === 0 || sessions.size === 0 // a timer would keep the thread of the net plane alive
      if (!over && elapsedMs < windowMs) again()
    }
    const again = (): void => {
      if (waiting) return
      waiting = true
      after(stepMs, step)
    }
    if (retiring === null) {
      join = (session) => {
        if (now() - startMs >= windowMs) return
        left.add(session)
        total++
        again()
      }
    }
    step()
  }
  return {
    get size() {
      return sessions.size
    },
    add(session) {
      sessions.add(session)
      join?.(session)
    },
    remove: (session) => sessions.remove(session),
    retire,
    killAll() {
      sessions.visit((session) => session.kill())
    },
    dropAll() {
      sessions.visit((session) => session.drop())
    },
  }
}
