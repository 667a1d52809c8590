import type { Samples } from './rounds.ts'
import { median, pairedRatio, type Ratio } from './statistics.ts'

/** A figure that has a target. */
export interface Measure {
  /** `requests-cpu`: names it in results and chart. */
  readonly id: string
  readonly title: string
  /** Of the figure. */
  readonly unit: string
  /** Which figure of a sample. */
  readonly key: string
  readonly better: 'less' | 'more'
  /** For the ratio of ours to the peer's. */
  readonly target: number
  /** For our own figure as well, in its unit. */
  readonly most?: number
  readonly ours: string
  /** The best of these is what ours is paired with. */
  readonly peers: readonly string[]
}

export interface Verdict {
  readonly id: string
  readonly title: string
  readonly unit: string
  readonly better: 'less' | 'more'
  readonly target: number
  readonly most: number | null
  /** The peer with the best median. */
  readonly peer: string
  readonly ours: number
  readonly theirs: number
  readonly ratio: Ratio
  /** The same nginx twice: the noise of the run. null: the part has no such pair. */
  readonly noise: Ratio | null
  /** The whole interval is on the right side of the target. */
  readonly met: boolean
}

/** The peers as shipped that can do what the program does: a half-close reaches the other side. */
export const bestPeers: readonly string[] = ['HAProxy', 'HAProxy, given', 'nginx']

/** null when ours or every peer is missing. */
export function judge(measure: Measure, samples: Samples): Verdict | null {
  const { id, title, unit, key, better, target } = measure
  const values = (name: string): number[] =>
    (samples.get(name) ?? []).map((sample) => sample[key] ?? Number.NaN)
  const own = values(measure.ours)
  const sign = better === 'less' ? 1 : -1
  const [peer] = measure.peers
    .filter((name) => samples.has(name))
    .sort((a, b) => sign * (median(values(a)) - median(values(b))))
  if (own.length === 0 || peer === undefined) return null
  const ratio = pairedRatio(own, values(peer))
  const twins = samples.has('nginx') && samples.has('nginx (A/A)')
  const noise = twins ? pairedRatio(values('nginx (A/A)'), values('nginx')) : null
  const small = measure.most === undefined || median(own) <= measure.most
  const met = small && (better === 'less' ? ratio.high <= target : ratio.low >= target)
  const most = measure.most ?? null
  const medians = { ours: median(own), theirs: median(values(peer)) }
  return { id, title, unit, better, target, most, peer, ...medians, ratio, noise, met }
}
