/**
 * Does an endpoint accept connections and say nothing? A frozen process is connected to by its kernel, so its
 * dials succeed. The evidence is that several clients wait for a first byte far longer than usual while
 * another endpoint of the pool answers clients who came later. An endpoint is not silent because everything
 * is slow, or because one request is.
 *
 * A wait begins with the first byte to the endpoint: where the server speaks first, nobody waits.
 */

/** How endpoints answer, over all workers. Times are of one clock, in milliseconds. */
export interface FirstBytes {
  /** First bytes whose wait was measured. */
  readonly count: number
  /** The usual wait for a first byte; 0: not known. */
  readonly usualMs: number
  /** Of those who were answered, the one who asked latest: when, and how long it waited. */
  readonly askedMs: number
  readonly tookMs: number
  /** When the latest first byte came. */
  readonly answeredMs: number
  /**
   * Of those who waited too long, how many are usually overtaken by each that is answered: in a mixed
   * protocol many are.
   */
  readonly overtaken: number
}

/** Those who have waited for longer than patienceMs() for an endpoint. */
export interface Overdue {
  readonly count: number
  /** When the latest of them began to wait. */
  readonly sinceMs: number
}

/** Five times the usual is far outside of what a busy gateway does from one moment to the next. */
const usualMultiple = 5
/** Where microseconds are usual, a garbage collection or a lost segment must not be a sign. */
const leastPatienceMs = 100
/** One or two may be slow requests. */
const leastOverdue = 3
/** With fewer answers it is not known what is usual. */
const leastAnswers = 10
/** A new wait's part of the usual one, as in TCP's smoothed RTT (RFC 6298). */
const smoothing = 1 / 8
/** An answer's part of `overtaken`, which scatters as widely as its mean: a longer memory than that. */
const overtakenSmoothing = 1 / 32

/** A connection that waits longer than this is overdue. */
export function patienceMs(usualMs: number): number {
  return Math.max(leastPatienceMs, usualMultiple * usualMs)
}

/** The usual value after one more. 0 is none so far. */
export function smoothed(before: number, value: number): number {
  return before === 0 ? value : before + (value - before) * smoothing
}

/**
 * `overtaken` after `answers` more first bytes, at least one, by which `count` who were overdue were
 * overtaken. `seen`: first bytes so far, these included; the first ones are averaged, so that it is learnt as
 * soon as what is usual.
 */
export function smoothedOvertaken(before: number, count: number, answers: number, seen: number): number {
  const kept = Math.min((1 - overtakenSmoothing) ** answers, 1 - answers / seen)
  return before * kept + (count / answers) * (1 - kept)
}

/** Whether an endpoint is silent. `others`: of the same pool, this one not among them. */
export function isSilent(
  own: FirstBytes,
  overdue: Overdue,
  others: Iterable<FirstBytes>,
  nowMs: number,
): boolean {
  if (own.count < leastAnswers || overdue.count < leastOverdue + usualMultiple * own.overtaken) return false
  // It has answered since they began to wait, if only a connection that had asked before them.
  if (own.answeredMs >= overdue.sinceMs) return false
  const waitedMs = nowMs - overdue.sinceMs
  for (const { askedMs, tookMs } of others) {
    // Answered, though it came later, in a fifth of the time: not everybody is slow.
    if (askedMs >= overdue.sinceMs && tookMs * usualMultiple <= waitedMs) return true
  }
  return false
}
