/** One metric with all its series, read from the live numbers at each scrape. */
export interface Family {
  /** Full name, prefix included. */
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  collect(): readonly Sample[]
}

export interface Sample {
  /** `_bucket`, `_sum` and `_count` of a histogram; empty for all others. */
  readonly suffix: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** A sample of a counter or gauge. */
export function sample(value: number, labels: Readonly<Record<string, string>> = {}): Sample {
  return { suffix: '', labels, value }
}

/**
 * The samples of a histogram: cumulative buckets, `+Inf`, sum and count. `counts` has one more entry than
 * `bounds`; the count is their sum, never read on its own, so that a scrape during an observation cannot
 * contradict itself.
 */
export function histogramSamples(
  bounds: readonly number[],
  counts: readonly number[],
  sum: number,
): readonly Sample[] {
  const samples: Sample[] = []
  let total = 0
  counts.forEach((count, index) => {
    total += count
    const bound = bounds[index]
    samples.push({
      suffix: '_bucket',
      labels: { le: bound === undefined ? '+Inf' : String(bound) },
      value: total,
    })
  })
  samples.push({ suffix: '_sum', labels: {}, value: sum }, { suffix: '_count', labels: {}, value: total })
  return samples
}
