import type { SocketAddress } from '../../core/address.ts'

/** Where the endpoints of a pool come from when the configuration does not list them: Kubernetes, DNS or a file. */
export interface Source {
  /** What is known now. An answer stays until a valid one replaces it: a source that fails takes nothing away. */
  readonly answer: Answer
  /** Resolves when there is a first answer, or a first failure. Never rejects; the caller bounds the wait. */
  readonly first: Promise<void>
  /** Ends it and everything that it opened; `changed` is not called any more. */
  stop(): void
}

export type Answer =
  /** Nothing valid so far, and why: a sentence for status and log. */
  | { readonly kind: 'none'; readonly reason: string; readonly sinceMs: number }
  | {
      readonly kind: 'known'
      /** May be empty: a valid answer that is empty empties the pool. */
      readonly endpoints: readonly FoundEndpoint[]
      /** When the source last confirmed it, by the control plane's clock. */
      readonly confirmedMs: number
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
