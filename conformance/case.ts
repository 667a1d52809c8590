import type { Ground } from './ground.ts'

/**
 * What a case found. `choice`: not as ours does it, and not wrong either; `none`: this peer cannot be asked. `seen` is one
 * line, without a time that differs from run to run.
 */
export interface Verdict {
  readonly kind: 'pass' | 'fail' | 'choice' | 'none'
  readonly seen: string
}

/** One claim about any TCP proxy, looked at from its two ports alone. */
export interface Case {
  /** Stable: the document and --only name it. */
  readonly id: string
  /** What holds when it passes. */
  readonly title: string
  /** Who is hurt when it does not. */
  readonly why: string
  /** Why another behaviour is no fault. A case without this text never says `choice`. */
  readonly choice?: string
  /** What it was taken from, or compared with, in other projects' tests. */
  readonly from?: string
  /** It mostly waits, so that it may run beside others. */
  readonly waits?: boolean
  /** A net below the case's own times. 60,000 when nothing is said. */
  readonly limitMs?: number
  /** Throws Fault when what should hold does not. */
  readonly run: (ground: Ground) => Promise<Verdict>
}

/** What should hold does not; the message is the verdict's `seen`. */
export class Fault extends Error {}

export const pass = (seen: string): Verdict => ({ kind: 'pass', seen })
export const fail = (seen: string): Verdict => ({ kind: 'fail', seen })
export const choice = (seen: string): Verdict => ({ kind: 'choice', seen })
export const none = (seen: string): Verdict => ({ kind: 'none', seen })

/** A time in words that two runs agree on. */
export function about(ms: number): string {
  return ms < 1_000 ? 'within 1 s' : `after about ${Math.round(ms / 1_000)} s`
}

/** Throws Fault unless the bytes that `who` received are those that were sent. */
export function expectSame(received: Buffer, sent: Buffer, who: string): void {
  if (received.equals(sent)) return
  throw new Fault(
    received.length < sent.length
      ? `${who} received ${received.length} of ${sent.length} bytes`
      : `${who} received other bytes than were sent`,
  )
}
