import type { Attempt, Outcome } from './outcome.ts'
import type { Snapshot } from './snapshot.ts'

/** What main tells a worker. Snapshots go down, reports come up; nothing else crosses the threads but shared rows. */
export type ToWorker =
  | { readonly kind: 'snapshot'; readonly snapshot: Snapshot }
  /**
   * `address` as in ListenerSnapshot. `socket`: bound, a descriptor or a BoundSocket that moved along; it belongs to
   * the worker from now on.
   */
  | { readonly kind: 'listen'; readonly address: string; readonly socket: unknown; readonly backlog: number }
  /** Stops accepting on one address; its connections live on. */
  | { readonly kind: 'unlisten'; readonly address: string }
  /** Connections to these endpoints (null: all) get FIN when silent for `idleAfterMs`, spread over the window. */
  | {
      readonly kind: 'retire'
      readonly slots: readonly number[] | null
      readonly windowMs: number
      readonly idleAfterMs: number
    }
  /** RST to everything that is left. */
  | { readonly kind: 'kill' }
  /** As kill; then the worker sends its last reports and ends. */
  | { readonly kind: 'stop' }

/** What a worker tells main. */
export type FromWorker =
  | { readonly kind: 'started' }
  | { readonly kind: 'listening'; readonly address: string }
  | { readonly kind: 'unlistened'; readonly address: string }
  /** A snapshot is in use; sessions of earlier ones may still run. */
  | { readonly kind: 'acknowledged'; readonly version: number }
  | { readonly kind: 'reports'; readonly attempts: readonly Attempt[]; readonly outcomes: readonly Outcome[] }

/** What a worker is born with. */
export interface WorkerBirth {
  /** 1 to `workers`: its row. */
  readonly index: number
  readonly workers: number
  readonly rows: SharedArrayBuffer
  readonly plane: 'net'
  /** Makes connection ids unique among processes, restarts and nodes. */
  readonly idPrefix: string
}
