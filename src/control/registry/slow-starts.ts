import type { After } from '../../core/after.ts'
import { fullShare, shareAfter } from '../../core/slow-start.ts'
import type { Tally } from '../../core/tally.ts'
import { type EndpointRecord, healthWord } from './endpoint-record.ts'

export interface SlowStartsDeps {
  readonly tally: Tally
  readonly nowMs: () => number
  readonly after: After
  /** The length of a slow start in a pool as it is configured now, in milliseconds; 0: none. */
  readonly lengthMs: (pool: string) => number
  /** An endpoint has its full share from now on. */
  readonly over: (record: EndpointRecord) => void
}

/** Steps of 0.3 % of a slow start of 30 s: nobody sees stairs. */
const stepMs = 100

/**
 * The slow starts under way: the only writer of a present record's share. There is a timer only while there
 * is one of them.
 */
export class SlowStarts {
  readonly #deps: SlowStartsDeps
  readonly #beganMs = new Map<EndpointRecord, number>()
  #cancelStep: (() => void) | null = null

  constructor(deps: SlowStartsDeps) {
    this.#deps = deps
  }

  /** Begins one, again if there is one under way. The caller publishes the health word. */
  begin(record: EndpointRecord): void {
    record.share = shareAfter(0, this.#deps.lengthMs(record.pool))
    if (record.share === fullShare) {
      this.#beganMs.delete(record)
      return
    }
    this.#beganMs.set(record, this.#deps.nowMs())
    this.#cancelStep ??= this.#deps.after(stepMs, () => this.#step())
  }

  /** Ends one, if there is one, because the endpoint is out of use. The caller publishes the health word. */
  end(record: EndpointRecord): void {
    this.#beganMs.delete(record)
    record.share = fullShare
  }

  /** Ends the timer. */
  stop(): void {
    this.#cancelStep?.()
    this.#cancelStep = null
  }

  #step(): void {
    for (const [record, beganMs] of this.#beganMs) {
      if (record.presence.kind === 'departed') {
        this.#beganMs.delete(record) // and nothing is written: its slot may have another owner
        continue
      }
      record.share = shareAfter(this.#deps.nowMs() - beganMs, this.#deps.lengthMs(record.pool))
      this.#deps.tally.setHealth(record.slot, healthWord(record))
      if (record.share < fullShare) continue
      this.#beganMs.delete(record)
      this.#deps.over(record)
    }
    this.#cancelStep = this.#beganMs.size > 0 ? this.#deps.after(stepMs, () => this.#step()) : null
  }
}
