import type { ScenarioName } from '../failover/names.ts'
import type { Children } from './children.ts'
import type { Namespaces } from './namespaces.ts'
import type { Pins } from './pins.ts'
import type { Progress } from './progress.ts'
import type { Report } from './report.ts'
import type { User } from './user.ts'

/** What every part is given. */
export interface Bench {
  readonly children: Children
  readonly pins: Pins
  readonly user: User
  readonly report: Report
  readonly rounds: number
  /** Length of one measurement of one contender. */
  readonly sliceSeconds: number
  /** Smaller volumes, for a first impression. */
  readonly quick: boolean
  /** Removed at the end of the run. */
  readonly namespaces: Namespaces
  /** Everyone, or only whom a target is about. */
  readonly everyone: boolean
  /** Of `failover`: which ones; none named: all. */
  readonly faults: readonly ScenarioName[]
  /** A second HAProxy, as a path; null: only the installed one. */
  readonly haproxy: string | null
  readonly progress: Progress
  /** A folder of this run, removed at its end. */
  readonly folder: string
}

/** A part of the benchmark. Ends the children that it started. */
export type Part = (bench: Bench) => Promise<void>
