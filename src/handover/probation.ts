import type { Fd } from '../linux/fd.ts'
import { beatMs } from './message.ts'
import type { Talk } from './talk.ts'

/**
 * Faults of a new version or of its environment show in the first seconds; until then the previous process
 * can serve again.
 */
const probationMs = 5_000
/** The other process hangs up when it has read `settled`; one that hangs itself is not waited for. */
const answerMs = 3_000
/** Only the end is awaited here, and it comes once. */
const lookMs = 50

/** From `released` to the fate. */
export const longestProbationMs = probationMs + answerMs

/** How a newcomer's first seconds ended. */
export type Fate =
  /** The previous process does not come back. */
  /**
   * `channel`: over which its live connections come, to be closed by whoever gets it; null: they stay there.
   */
  | { readonly kind: 'settled'; readonly channel: Fd | null }
  /** The process before took it for hung and accepts again: this one has to go. */
  | { readonly kind: 'reclaimed'; readonly reason: string }
  /** This process was told to stop, and has hung up: the one before accepts again. */
  | { readonly kind: 'withdrawn' }

const settled: Fate = { kind: 'settled', channel: null }

export interface ProbationOptions {
  readonly talk: Talk
  /** Whether the other process knows `beat`, and says when it takes back. */
  readonly beats: boolean
  /** This process has hung up. */
  readonly withdrawn: () => boolean
  /** For tests. */
  readonly probationMs?: number
}

/**
 * Tells the process before that this one lives, until it has proven itself. The other side decides: after
 * `settled` its hanging up is the answer, because it may have taken back a moment before. Never rejects;
 * closes nothing.
 */
export async function prove(options: ProbationOptions): Promise<Fate> {
  const { talk, beats, withdrawn } = options
  const settleMs = performance.now() + (options.probationMs ?? probationMs)
  let said = false
  if (beats) talk.send({ kind: 'beat' }) // what comes next is a busy moment: probes, admin pages
  for (;;) {
    const heard = await talk.hear(beatMs, lookMs)
    if (withdrawn()) return { kind: 'withdrawn' }
    if (heard.kind === 'message' && heard.message.kind === 'reclaimed') return heard.message
    // Without a word it has died, or has read `settled`.
    if (heard.kind === 'gone' || heard.kind === 'unreadable') return settled
    if (heard.kind === 'message' && heard.message.kind === 'sessions') {
      return { kind: 'settled', channel: heard.descriptors[0] ?? null }
    }
    if (heard.kind === 'message') continue
    const nowMs = performance.now()
    if (nowMs >= settleMs + answerMs) return settled
    if (nowMs < settleMs) {
      if (beats) talk.send({ kind: 'beat' })
    } else if (!said) {
      said = true
      talk.send({ kind: 'settled' })
      if (!beats) return settled
    }
  }
}
