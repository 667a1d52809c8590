import type { Failure, FailureKind } from './failure.ts'

/** Since when the API server has not confirmed anything, and what of it is in the log. */
export type Trouble =
  | { readonly kind: 'none' }
  /** One loss that happens whenever a server restarts or a load balancer cuts. */
  | { readonly kind: 'quiet'; readonly sinceMs: number }
  | { readonly kind: 'told'; readonly sinceMs: number; readonly kinds: readonly FailureKind[] }

/**
 * The state after one more failure; `tell` when it is worth a line: each kind once until the next confirmation. What is
 * routine is told when it was not the only failure, or when there never was a confirmation (`first`).
 */
export function afterFailure(
  trouble: Trouble,
  { kind }: Failure,
  first: boolean,
  nowMs: number,
): { readonly trouble: Trouble; readonly tell: boolean } {
  const routine = kind === 'connection' || kind === 'expired'
  if (routine && trouble.kind === 'none' && !first) {
    return { trouble: { kind: 'quiet', sinceMs: nowMs }, tell: false }
  }
  const kinds = trouble.kind === 'told' ? trouble.kinds : []
  // The server did answer, and the list that follows says all there is to say.
  if (kinds.includes(kind) || kind === 'expired') return { trouble, tell: false }
  const sinceMs = trouble.kind === 'none' ? nowMs : trouble.sinceMs
  return { trouble: { kind: 'told', sinceMs, kinds: [...kinds, kind] }, tell: true }
}
