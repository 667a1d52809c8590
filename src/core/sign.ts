import type { Silence } from './hearing.ts'

/** What workers notice about an endpoint, apart from how its dials end. Signs are rare, and go up at once. */
export type Sign =
  /** A dial has no answer after the hedge delay. */
  | { readonly kind: 'unanswered'; readonly slot: number }
  /**
   * It reset a connection before its first byte. `served`: of the endpoint, at that moment, as in
   * core/tally.ts.
   */
  | { readonly kind: 'cut-off'; readonly slot: number; readonly served: number }
  /** Clients wait for a first byte, and those of another endpoint do not. */
  | ({ readonly kind: 'silent'; readonly slot: number } & Silence)
  /** It was silent, and a client has heard it. */
  | { readonly kind: 'heard'; readonly slot: number }
