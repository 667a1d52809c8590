/** What became of one new connection. Times of day are milliseconds since 1970, with all their digits. */
export interface VisitRecord {
  readonly openedAtMs: number
  /** From its opening to the first byte; null: there was none. */
  readonly firstMs: number | null
  /** From its opening to its end. */
  readonly ms: number
  /** Who answered; null: it failed. */
  readonly node: string | null
}

/** What became of a connection that was to stay. */
export interface KeptRecord {
  /** Who answers on it; null: nobody ever did. */
  readonly node: string | null
  /** null: it lives. */
  readonly lostAtMs: number | null
}

/** All that the load saw in one run, in the order of opening. */
export interface LoadRecord {
  readonly visits: readonly VisitRecord[]
  readonly kept: readonly KeptRecord[]
}

/** When a fault began to be brought about, and when it was complete. */
export interface Strike {
  readonly fromMs: number
  readonly completeMs: number
}

/** SYNs to each node until then. */
export interface SynSample {
  readonly atMs: number
  readonly counts: readonly number[]
}

/** Everything that was recorded of one fault under one forwarder. */
export interface RunRecord extends LoadRecord {
  readonly nodes: readonly string[]
  /** Indexes of the nodes that the fault is on. */
  readonly struck: readonly number[]
  /** The fault-free part begins here. */
  readonly calmFromMs: number
  /** More than one when the node flaps. */
  readonly strikes: readonly [Strike, ...Strike[]]
  /** When the end of the last fault began, and when it was over. */
  readonly mendFromMs: number
  readonly mendedMs: number
  readonly endMs: number
  readonly syns: readonly SynSample[]
}

/** Milliseconds since 1970 as the records have them. */
export function timeOfDayMs(): number {
  return performance.timeOrigin + performance.now()
}
