import type { ForwarderName, ScenarioName } from './names.ts'
import type { RunRecord } from './record.ts'

/** What clients saw that opened their connections in one tenth of a second. */
export interface Moment {
  /** Seconds since the fault was complete, of the beginning of the tenth. */
  readonly s: number
  /** The longest time to first byte; null: nobody got one. */
  readonly longestMs: number | null
  readonly failed: number
}

export interface Timeline {
  readonly scenario: ScenarioName
  readonly title: string
  readonly forwarder: ForwarderName
  /** When the fault was over. */
  readonly mendedS: number
  readonly moments: readonly Moment[]
}

/** Seconds on either side of the fault. */
export const span = { before: 2, after: 13 } as const
const perSecond = 10

/** One run in tenths of a second. */
export function momentsOf({ visits, strikes }: RunRecord): Moment[] {
  const [{ completeMs }] = strikes
  const tenths = Map.groupBy(visits, ({ openedAtMs }) =>
    Math.floor(((openedAtMs - completeMs) / 1000) * perSecond),
  )
  return Array.from({ length: (span.before + span.after) * perSecond }, (_, index) => {
    const tenth = index - span.before * perSecond
    const opened = tenths.get(tenth) ?? []
    const firsts = opened.map(({ firstMs }) => firstMs).filter((ms) => ms !== null)
    return {
      s: tenth / perSecond,
      longestMs: firsts.length === 0 ? null : Math.max(...firsts),
      failed: opened.filter(({ node }) => node === null).length,
    }
  })
}
