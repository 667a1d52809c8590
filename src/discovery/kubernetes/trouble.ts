import type { Failure, FailureKind } from './failure.ts'
import type { Asked } from './list-watch.ts'

/** Whether the API server can be followed, and what of it is in the log. */
export type Trouble =
  | { readonly kind: 'none' }
  /** A single loss, as happens whenever a server restarts or a load balancer cuts a connection. */
  | { readonly kind: 'quiet'; readonly sinceMs: number; readonly reason: string; readonly unwatched: boolean }
  /** A watch failed as it began, and the list after it succeeded: happening once is routine, twice is not. */
  | { readonly kind: 'doubt'; readonly sinceMs: number; readonly reason: string }
  | {
      readonly kind: 'told'
      readonly sinceMs: number
      readonly reason: string
      /** Each kind is logged once until the trouble is over. */
      readonly kinds: readonly FailureKind[]
      /** What failed last was a watch that never worked: no list mends that. */
      readonly unwatched: boolean
    }

const routine: ReadonlySet<FailureKind> = new Set(['connection', 'expired'])

/**
 * The state after one more failure; `tell` when it is worth a line. What is routine is told when it was not
 * the only failure, or when there never was a confirmation (`first`).
 */
export function afterFailure(
  trouble: Trouble,
  { kind, message: reason }: Failure,
  { request, worked }: Asked,
  first: boolean,
  nowMs: number,
): { readonly trouble: Trouble; readonly tell: boolean } {
  const before: Trouble = worked ? { kind: 'none' } : trouble
  const unwatched = request === 'watch' && !worked
  if (before.kind === 'none' && request === 'watch' && routine.has(kind) && !first) {
    return { trouble: { kind: 'quiet', sinceMs: nowMs, reason, unwatched }, tell: false }
  }
  const kinds = before.kind === 'told' ? before.kinds : []
  const sinceMs = before.kind === 'none' ? nowMs : before.sinceMs
  const tell = !kinds.includes(kind)
  return {
    trouble: { kind: 'told', sinceMs, reason, kinds: tell ? [...kinds, kind] : kinds, unwatched },
    tell,
  }
}

/** The state after the server has confirmed what is known, by a list or by an event of a watch. */
export function afterConfirmation(trouble: Trouble, by: Asked['request']): Trouble {
  if (by === 'watch' || trouble.kind === 'none') return { kind: 'none' }
  switch (trouble.kind) {
    case 'quiet':
      return trouble.unwatched
        ? { kind: 'doubt', sinceMs: trouble.sinceMs, reason: trouble.reason }
        : { kind: 'none' }
    case 'doubt':
      return trouble
    case 'told':
      return trouble.unwatched ? trouble : { kind: 'none' }
  }
}
