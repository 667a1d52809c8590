import type { Attempt, Outcome } from '../core/outcome.ts'
import type { Cancel } from '../plane/plane.ts'

/** Successes and Outcomes wait this long for company: one message a batch, never one a connection. */
const batchMs = 20
const batchSize = 256
/** A failed Attempt goes at once, but a storm of them makes at most one message a millisecond. */
const urgentMs = 1

export interface Reports {
  attempt(attempt: Attempt): void
  outcome(outcome: Outcome): void
  /** Sends what waits. */
  flush(): void
}

export type SendReports = (attempts: readonly Attempt[], outcomes: readonly Outcome[]) => void

/** Collects what goes up to the main thread. Order is kept: earlier successes go with the failure that follows them. */
export function createReports(after: (ms: number, fire: () => void) => Cancel, send: SendReports): Reports {
  let attempts: Attempt[] = []
  let outcomes: Outcome[] = []
  let cancel: Cancel | null = null
  let urgent = false

  const flush = (): void => {
    cancel?.()
    cancel = null
    urgent = false
    if (attempts.length + outcomes.length === 0) return
    const batch = { attempts, outcomes }
    attempts = []
    outcomes = []
    send(batch.attempts, batch.outcomes)
  }
  const hurry = (): void => {
    if (urgent) return
    cancel?.()
    urgent = true
    cancel = after(urgentMs, flush)
  }
  const wait = (): void => {
    if (attempts.length + outcomes.length >= batchSize) flush()
    else cancel ??= after(batchMs, flush)
  }
  return {
    attempt(attempt) {
      attempts.push(attempt)
      if (attempt.error === null) wait()
      else hurry()
    },
    outcome(outcome) {
      outcomes.push(outcome)
      wait()
    },
    flush,
  }
}
