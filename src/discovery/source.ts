import type { SocketAddress } from '../core/address.ts'
import type { After } from '../core/after.ts'
import type { Log } from '../core/log.ts'

/**
 * Where the endpoints of a pool come from when the configuration does not list them: Kubernetes, DNS or a
 * file.
 */
export interface Source {
  /**
   * What is known now. An answer stays until a valid one replaces it: a source that fails takes nothing away.
   */
  readonly answer: Answer
  /** What has failed since it began, by kind; every kind it has is there, at zero too. */
  readonly failures: ReadonlyMap<string, number>
  /** Resolves when there is a first answer, or a first failure. Never rejects; the caller bounds the wait. */
  readonly first: Promise<void>
  /** Ends it and everything that it opened; `changed` is not called any more. */
  stop(): void
}

/** What a source needs of the control plane. */
export interface SourceDeps {
  readonly log: Log
  readonly after: After
  readonly nowMs: () => number
  /** 0 to 1. */
  readonly random: () => number
  /** The answer is another one. */
  readonly changed: () => void
}

export type Answer =
  /** Nothing valid so far, and why: a sentence for status and log. */
  | { readonly kind: 'none'; readonly reason: string; readonly sinceMs: number }
  | {
      readonly kind: 'known'
      /** May be empty: a valid answer that is empty empties the pool. */
      readonly endpoints: readonly FoundEndpoint[]
      /** Why there are none; null: there are some, or there is nothing to say. */
      readonly emptiness: Emptiness | null
      /** When the source last confirmed it, by the control plane's clock. */
      readonly confirmedMs: number
      /** Since when it cannot be confirmed, and why; null: it can. */
      readonly failing: Failing | null
    }

export interface Emptiness {
  /** gone: they left, as endpoints do. fault: something does not match the configuration. */
  readonly kind: 'gone' | 'fault'
  /** Completes "has no endpoint: …". */
  readonly text: string
}

export interface Failing {
  readonly sinceMs: number
  /** A sentence for status. */
  readonly reason: string
}

/** The answer after a failure: unchanged, but saying since when and why it cannot be confirmed. */
export function unconfirmed(answer: Answer, reason: string, nowMs: number): Answer {
  if (answer.kind === 'none') return { ...answer, reason }
  return { ...answer, failing: { sinceMs: answer.failing?.sinceMs ?? nowMs, reason } }
}

export interface FoundEndpoint {
  readonly address: SocketAddress
  /** The pod or host name that it stands for, for people; null when there is none. */
  readonly name: string | null
  /** 0 is used first. */
  readonly priority: number
  /** At least 1. */
  readonly weight: number
}
