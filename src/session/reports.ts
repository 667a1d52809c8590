import { accessLines, connectLine } from '../core/access-line.ts'
import type { Attempt, Connect, Outcome } from '../core/outcome.ts'
import type { Cancel } from '../plane/plane.ts'

/** Successes and Outcomes wait this long for company: one message a batch, never one a connection. */
const batchMs = 20
const batchSize = 256
/** A failed Attempt goes at once, but a storm of them makes at most one message a millisecond. */
const urgentMs = 1

export interface Reports {
  attempt(attempt: Attempt): void
  outcome(outcome: Outcome): void
  connected(connect: Connect): void
  /** Sends what has been collected. */
  flush(): void
}

/** `lines`: `count` lines of the access log. */
export type SendReports = (attempts: readonly Attempt[], lines: string, count: number) => void

/**
 * Collects what goes up to the main thread. Order is kept: earlier successes go with the failure that follows
 * them. A success counts as the end of a row of failures, so of successes in a row to one endpoint a batch
 * tells the first.
 */
export function createReports(
  after: (ms: number, fire: () => void) => Cancel,
  unixMs: () => number,
  send: SendReports,
): Reports {
  let attempts: Attempt[] = []
  let lines = ''
  let count = 0
  const lineOf = accessLines()
  let cancel: Cancel | null = null
  let urgent = false
  /** Slots whose latest unsent Attempt is a success: another success would add nothing. */
  const connected = new Set<number>()

  const flush = (): void => {
    cancel?.()
    cancel = null
    urgent = false
    connected.clear()
    if (attempts.length + count === 0) return
    const batch = { attempts, lines, count }
    attempts = []
    lines = ''
    count = 0
    send(batch.attempts, batch.lines, batch.count)
  }
  const hurry = (): void => {
    if (urgent) return
    cancel?.()
    urgent = true
    cancel = after(urgentMs, flush)
  }
  const wait = (): void => {
    if (attempts.length + count >= batchSize) flush()
    else cancel ??= after(batchMs, flush)
  }
  return {
    attempt(attempt) {
      const { slot, error } = attempt
      if (error === null && connected.has(slot)) return
      attempts.push(attempt)
      if (error === null) {
        connected.add(slot)
        wait()
      } else {
        connected.delete(slot)
        hurry()
      }
    },
    outcome(outcome) {
      lines += lineOf(outcome, unixMs())
      count++
      wait()
    },
    connected(connect) {
      lines += connectLine(connect, unixMs())
      count++
      wait()
    },
    flush,
  }
}
