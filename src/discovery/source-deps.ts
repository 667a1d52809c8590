import type { After } from '../core/after.ts'
import type { Log } from '../core/log.ts'

/** What a source needs of the control plane. */
export interface SourceDeps {
  readonly log: Log
  readonly after: After
  readonly nowMs: () => number
  /** 0 to 1. */
  readonly random: () => number
  /** Called when the answer has changed. */
  readonly changed: () => void
}
