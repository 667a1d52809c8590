/** Upper bounds in seconds; the last bucket, +Inf, is the count. */
export const connectBuckets = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const
export const firstByteBuckets = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const
export const rttBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5] as const
export const durationBuckets = [0.005, 0.025, 0.1, 0.5, 1, 5, 10, 60, 300, 1800, 3600, 14400] as const

/** A histogram in a row: a cell a bucket (not cumulative), one more for +Inf, then the sum in seconds. */
export interface HistogramCells {
  readonly at: number
  readonly bounds: readonly number[]
}

export const histogramSize = (bounds: readonly number[]) => bounds.length + 2

/** Adds an observation to the histogram at `at` of one's own row. */
export function count(row: Float64Array, at: number, bounds: readonly number[], seconds: number): void {
  let bucket = 0
  while (bucket < bounds.length && seconds > (bounds[bucket] ?? 0)) bucket++
  const sum = at + bounds.length + 1
  row[at + bucket] = (row[at + bucket] ?? 0) + 1
  row[sum] = (row[sum] ?? 0) + seconds
}
