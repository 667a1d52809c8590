import type { ConnectionAnswer, Question } from './connection.ts'
import type { AdoptedFrom, MovedSession } from './moved.ts'
import type { Attempt, EndedBy, Refusal } from './outcome.ts'
import type { Sign } from './sign.ts'
import type { Snapshot } from './snapshot.ts'

/**
 * What main tells a worker. Snapshots go down, reports come up; nothing else crosses the threads but shared
 * rows.
 */
export type ToWorker =
  | { readonly kind: 'snapshot'; readonly snapshot: Snapshot }
  /**
   * `address` as in ListenerSnapshot. `sockets`: bound, each a descriptor or a BoundSocket that moved along;
   * they belong to the worker from now on. Mostly one; each has an accept queue of its own.
   */
  | {
      readonly kind: 'listen'
      readonly address: string
      readonly sockets: readonly unknown[]
      readonly backlog: number
    }
  /**
   * Stops accepting on one address; its connections live on. `queue`: accept what waits there first, or leave
   * it to another process that holds the socket too.
   */
  | { readonly kind: 'unlisten'; readonly address: string; readonly queue: 'empty' | 'leave' }
  /**
   * Connections to these endpoints (null: all) get FIN when silent for `idleAfterMs`, spread over the window.
   */
  | {
      readonly kind: 'retire'
      readonly slots: readonly number[] | null
      readonly windowMs: number
      readonly idleAfterMs: number
      readonly cause: EndedBy
    }
  /** What is left of the connections to these endpoints stays: a retirement of theirs is over. */
  | { readonly kind: 'keep'; readonly slots: readonly number[] }
  /** RST to connections of these endpoints; null: to everything that is left, dials under way included. */
  | { readonly kind: 'kill'; readonly slots: readonly number[] | null; readonly cause: EndedBy }
  /**
   * An endpoint of this pool is up again after none was: sessions that are pausing because there was none
   * dial now.
   */
  | { readonly kind: 'revived'; readonly pool: string }
  /** Lets up to `most` established connections go; the answer has the same `request`. */
  | { readonly kind: 'detach'; readonly request: number; readonly most: number }
  /** Goes on with these, which are its own from now on; the answer says so. */
  | { readonly kind: 'adopt'; readonly from: AdoptedFrom; readonly sessions: readonly MovedSession[] }
  /** About its connections; the answer has the same `request`. */
  | { readonly kind: 'ask'; readonly request: number; readonly question: Question }
  /** Like `kill`; then the worker sends its last reports and ends. */
  | { readonly kind: 'stop' }

/** What a worker tells main. */
export type FromWorker =
  /** `wakeDescriptor`: the eventfd to write to after each message; null: messages wake it by themselves. */
  | { readonly kind: 'started'; readonly wakeDescriptor: number | null }
  | { readonly kind: 'listening'; readonly address: string }
  | { readonly kind: 'unlistened'; readonly address: string }
  /** A snapshot is in use; sessions of earlier ones may still run. */
  | { readonly kind: 'acknowledged'; readonly version: number }
  /** An endpoint sent something on a warm connection that nobody had used, `ageMs` after it was opened. */
  | { readonly kind: 'spoke'; readonly slot: number; readonly ageMs: number }
  | { readonly kind: 'signs'; readonly signs: readonly Sign[] }
  | { readonly kind: 'refused'; readonly sample: RefusalSample }
  /** They belong to main now. `more`: there are others that could be let go at once. */
  | {
      readonly kind: 'detached'
      readonly request: number
      readonly sessions: readonly MovedSession[]
      readonly more: boolean
    }
  /** So many are its own now, and in its numbers. */
  | { readonly kind: 'adopted'; readonly from: AdoptedFrom; readonly count: number }
  | { readonly kind: 'answer'; readonly request: number; readonly answer: ConnectionAnswer }
  /** `lines`: `count` lines of the access log. */
  | {
      readonly kind: 'reports'
      readonly attempts: readonly Attempt[]
      readonly lines: string
      readonly count: number
    }

/** One refused connection of many: the log shows it, the rows have the numbers. */
export interface RefusalSample {
  readonly listener: string
  readonly slot: number
  /** `dry-run`: its source's limit would have refused it. */
  readonly reason: Refusal | 'dry-run'
  /** `203.0.113.7:51234` */
  readonly client: string
  /** What was wrong, in words that are fit for a terminal; empty: the reason says it. */
  readonly detail: string
}

/** How bytes move. */
export const planeNames = ['net', 'splice'] as const
export type PlaneName = (typeof planeNames)[number]

/** What a worker is started with. */
export interface WorkerStart {
  /** 1 to `workers`: its row. */
  readonly index: number
  /** How many workers of this index have died. */
  readonly lives: number
  readonly workers: number
  readonly rows: SharedArrayBuffer
  /** What the tables of sources of all threads are made with. */
  readonly sources: { readonly seed: number; readonly buffer: SharedArrayBuffer }
  readonly plane: PlaneName
  /** The block of PairRows for all workers. */
  readonly pairs: SharedArrayBuffer
  /** One byte for each descriptor number of this worker, 1: open. Main closes what a dead worker has left. */
  readonly openDescriptors: SharedArrayBuffer
  /** What this worker's pipes may hold together. */
  readonly pipeBudgetBytes: number
  /** Bulk goes through pipes on loopback too, where it does not pay: for tests. */
  readonly pipesOnLoopback: boolean
  /** Makes connection ids unique among processes, restarts and nodes. */
  readonly idPrefix: string
}
