import type { After } from '../core/after.ts'
import type { Log } from '../core/log.ts'
import type { RefusalSample } from '../core/message.ts'
import { refusals } from '../core/outcome.ts'
import { listenerCell, listenerField, rejectedCell, type Tally } from '../core/tally.ts'

type Reason = RefusalSample['reason']

const reasons: readonly Reason[] = [...refusals, 'dry-run']
/** The first of a listener is told at once, and then what has come of it, once a minute. */
const everyMs = 60_000

export interface RefusalLogDeps {
  readonly log: Log
  readonly after: After
  /** How many there were so far. */
  readonly count: (slot: number, reason: Reason) => number
}

interface Minute {
  readonly slot: number
  /** Counts at its beginning, in the order of `reasons`; what was told of is in them. */
  counts: readonly number[]
  /** The latest that was heard of. */
  last: RefusalSample | null
  cancel: () => void
}

/**
 * Refused connections, and those that a dry run would have refused, in the log: no more than one line a
 * listener and minute.
 */
export class RefusalLog {
  readonly #deps: RefusalLogDeps
  readonly #minutes = new Map<string, Minute>()

  constructor(deps: RefusalLogDeps) {
    this.#deps = deps
  }

  tell(sample: RefusalSample): void {
    const { listener, slot, reason, client, detail } = sample
    const running = this.#minutes.get(listener)
    if (running !== undefined) {
      running.last = sample
      return
    }
    const fields = { listener, reason, client, ...(detail === '' ? {} : { detail }) }
    const what = reason === 'dry-run' ? 'would have been refused' : `was refused: ${reason}`
    const more = detail === '' ? '' : `, ${detail}`
    this.#deps.log.warn(fields, `listener ${listener}: a connection of ${client} ${what}${more}`)
    this.#begin(listener, slot)
  }

  stop(): void {
    for (const { cancel } of this.#minutes.values()) cancel()
    this.#minutes.clear()
  }

  #begin(listener: string, slot: number): void {
    const cancel = this.#deps.after(everyMs, () => this.#over(listener))
    this.#minutes.set(listener, { slot, counts: this.#counts(slot), last: null, cancel })
  }

  #counts(slot: number): readonly number[] {
    return reasons.map((reason) => this.#deps.count(slot, reason))
  }

  /** A minute without any is the end of it: the next one is told at once again. */
  #over(listener: string): void {
    const minute = this.#minutes.get(listener)
    if (minute === undefined) return
    const now = this.#counts(minute.slot)
    const more = reasons.flatMap((reason, i) => {
      const count = (now[i] ?? 0) - (minute.counts[i] ?? 0)
      return count > 0 ? [[reason, count] as const] : []
    })
    this.#minutes.delete(listener)
    if (more.length === 0) return
    const text = more.map(([reason, count]) => `${count} ${reason}`).join(', ')
    const fields = {
      listener,
      refused: Object.fromEntries(more),
      ...(minute.last && { client: minute.last.client }),
    }
    const last = minute.last === null ? '' : `, one of them ${minute.last.client}`
    this.#deps.log.warn(fields, `listener ${listener}: refused within the last minute: ${text}${last}`)
    this.#begin(listener, minute.slot)
  }
}

/** From the rows. */
export function refusalCount(tally: Tally, slot: number, reason: Reason): number {
  return tally.sum(
    reason === 'dry-run' ? listenerCell(slot) + listenerField.overSource : rejectedCell(slot, reason),
  )
}
