/** Whether an endpoint speaks, as main remembers it. What makes it silent is decided in silence.ts. */
export type Hearing =
  /** `times`: silences that it has had, before they fall with time. */
  | { readonly kind: 'heard'; readonly sinceMs: number; readonly times: number }
  /** `why`: for people. `believedMs`: a probe's bytes end the silence from then on; a client's always do. */
  | {
      readonly kind: 'silent'
      readonly sinceMs: number
      readonly believedMs: number
      readonly times: number
      readonly why: string
    }

/** What a sweep has found: `waiting` connections, the one that waits longest for `waitedMs`. */
export interface Silence {
  readonly waiting: number
  readonly waitedMs: number
  readonly usualMs: number
}

/** How long a probe's bytes do not end the second silence; the third is twice as long, and so on. */
const firstDisbeliefMs = 1_000
const longestDisbeliefMs = 30_000
/**
 * The pause before a client is sent to a silent endpoint, and the next one: 10, 20, 40, 60 s. That client may
 * wait in vain. Most silences are over sooner, and those who wait since they began hear it.
 */
const firstAskMs = 10_000
const longestAskMs = 60_000
/** One past silence is forgotten for each such period in which the endpoint was not silent. */
const forgetMs = 60_000

/** An endpoint that has never been silent. */
export function heardSince(nowMs: number): Hearing {
  return { kind: 'heard', sinceMs: nowMs, times: 0 }
}

/**
 * The state after somebody has found it silent. The first silence ends with the next answered probe. When
 * silence returns, an answered probe has proved to say little about clients, so probes count only after a
 * while.
 */
export function silenced(state: Hearing, found: Silence, nowMs: number): Hearing {
  if (state.kind === 'silent') return state
  const times = Math.max(0, state.times - Math.floor((nowMs - state.sinceMs) / forgetMs)) + 1
  const disbeliefMs = times === 1 ? 0 : Math.min(longestDisbeliefMs, firstDisbeliefMs * 2 ** (times - 2))
  return { kind: 'silent', sinceMs: nowMs, believedMs: nowMs + disbeliefMs, times, why: wordsOf(found) }
}

/** The state after a byte from the endpoint. */
export function heard(state: Hearing, nowMs: number): Hearing {
  return state.kind === 'heard' ? state : { kind: 'heard', sinceMs: nowMs, times: state.times }
}

/** The pause before the next client asks, after `asked` who did. */
export function askAfterMs(asked: number): number {
  return Math.min(longestAskMs, firstAskMs * 2 ** asked)
}

/** `3 connections have waited 700 ms for a first byte; usually 4 ms` */
function wordsOf({ waiting, waitedMs, usualMs }: Silence): string {
  const usual = usualMs < 10 ? usualMs.toFixed(1) : Math.round(usualMs)
  return `${waiting} connections have waited ${Math.round(waitedMs)} ms for a first byte; usually ${usual} ms`
}
