import type { MovedSession } from '../core/moved.ts'
import type { EndedBy } from '../core/outcome.ts'
import { Roster } from '../core/roster.ts'
import type { Asked } from './inquiry.ts'
import { Retirement, type Retiring, retireStepMs } from './retirement.ts'

/** A connection under way, as drain and the admin see it. */
export interface LiveSession extends Retiring, Asked {
  seat: number
  /** Ends it by RST, whatever it is doing. */
  kill(cause: EndedBy): void
  /** Lets it go to another process; null: it stays. It is not among the live ones then. */
  detach(): MovedSession | null
  /**
   * RST to both sides without reporting it: the worker is dying, and main counts the connections that were
   * lost with it.
   */
  drop(): void
}

export interface LiveSessions {
  readonly size: number
  add(session: LiveSession): void
  remove(session: LiveSession): void
  /**
   * Ends connections with FIN as they fall silent for `idleAfterMs`, spread evenly over `windowMs`; those
   * that are dialing now, when they connect to one of `slots`. null: all, and those who come within the
   * window too. Takes the place of what was begun for `slots` before.
   */
  retire(slots: readonly number[] | null, windowMs: number, idleAfterMs: number, cause: EndedBy): void
  /** Ends what retire() does to these endpoints' connections; a retirement of all goes on. */
  keep(slots: readonly number[]): void
  /** RST to the connections of these endpoints; null: to all, those that dial included. */
  kill(slots: readonly number[] | null, cause: EndedBy): void
  /** Everyone; `see` may end anyone. */
  visit(see: (session: LiveSession) => void): void
  /** drop() for all. */
  dropAll(): void
}

/**
 * A worker lets go no more at once when it holds so much of their bytes: they stand still until they are
 * taken.
 */
const mostHeldBytes = 64 * 1024

/**
 * Lets up to `most` established connections go. Those that dial, or that are about to end, stay. `more`:
 * others could be let go at once.
 */
export function detachSome(
  live: Pick<LiveSessions, 'visit'>,
  most: number,
): { readonly sessions: readonly MovedSession[]; readonly more: boolean } {
  const established: LiveSession[] = []
  live.visit((session) => {
    if (session.relay === null) return
    session.relay.guard() // until they have gone, whichever process is killed
    established.push(session)
  })
  const sessions: MovedSession[] = []
  let heldBytes = 0
  for (const session of established) {
    if (sessions.length === most || heldBytes > mostHeldBytes) return { sessions, more: true }
    const moved = session.detach()
    if (moved === null) continue
    sessions.push(moved)
    heldBytes += moved.heldUp.length + moved.heldDown.length
  }
  return { sessions, more: false }
}

interface Running {
  readonly retirement: Retirement
  /** A step is to come. */
  waiting: boolean
}

/** `after` and `now` are the plane's clock. */
export function createLiveSessions(
  after: (ms: number, fire: () => void) => () => void,
  now: () => number,
): LiveSessions {
  const sessions = new Roster<LiveSession>()
  const retirements = new Set<Running>()

  const keep = (slots: readonly number[]): void => {
    for (const { retirement } of retirements) retirement.spare(slots)
  }
  const step = (running: Running): void => {
    running.waiting = false
    const { retirement } = running
    // With no connection left it sets no timer, which would keep the thread of the net plane alive.
    if (retirement.step(now()) && sessions.size > 0) again(running)
    else if (!retirement.takesNewcomers(now())) retirements.delete(running)
  }
  const again = (running: Running): void => {
    if (running.waiting) return
    running.waiting = true
    after(retireStepMs, () => step(running))
  }
  return {
    get size() {
      return sessions.size
    },
    add(session) {
      sessions.add(session)
      for (const running of retirements) {
        if (!running.retirement.takesNewcomers(now())) continue
        running.retirement.admit(session)
        again(running)
      }
    },
    remove: (session) => sessions.remove(session),
    retire(slots, windowMs, idleAfterMs, cause) {
      if (slots !== null) keep(slots)
      const retirement = new Retirement(slots, { windowMs, idleAfterMs, cause }, now())
      sessions.visit((session) => retirement.admit(session))
      const running = { retirement, waiting: false }
      retirements.add(running)
      step(running)
    },
    keep,
    kill(slots, cause) {
      const killed = slots === null ? null : new Set(slots)
      sessions.visit((session) => {
        if (killed === null || killed.has(session.slot)) session.kill(cause)
      })
    },
    visit: (see) => sessions.visit(see),
    dropAll() {
      sessions.visit((session) => session.drop())
    },
  }
}
