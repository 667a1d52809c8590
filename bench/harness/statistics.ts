/** The middle of `values`; NaN when there are none. */
export function median(values: readonly number[]): number {
  return percentile(values, 0.5)
}

/** Linear between the two nearest ranks; NaN when there are no values. `share` is 0 to 1. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort()
  const at = (sorted.length - 1) * share
  const low = sorted[Math.floor(at)] ?? Number.NaN
  const high = sorted[Math.ceil(at)] ?? Number.NaN
  return low + (high - low) * (at - Math.floor(at))
}

export interface Ratio {
  readonly median: number
  /** Bounds of the 95 % interval. */
  readonly low: number
  readonly high: number
}

/** Enough that the bounds move by less than they are printed with. */
const resamples = 4_000

/**
 * The median of values[i] / baseline[i] (the same round of both) with its 95 % bootstrap interval: rounds are drawn with
 * replacement. The same input gives the same bounds.
 */
export function pairedRatio(values: readonly number[], baseline: readonly number[]): Ratio {
  const ratios = values.map((value, round) => value / (baseline[round] ?? Number.NaN))
  const random = mulberry32(ratios.length)
  const medians = Array.from({ length: resamples }, () =>
    median(ratios.map(() => ratios[Math.floor(random() * ratios.length)] ?? Number.NaN)),
  )
  return { median: median(ratios), low: percentile(medians, 0.025), high: percentile(medians, 0.975) }
}

/** A small generator of uniform numbers in [0, 1), the same ones for the same seed (Tommy Ettinger's Mulberry32). */
function mulberry32(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
