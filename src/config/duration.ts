const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/**
 * The longest duration: 24 days, in milliseconds. A Node timer holds 2^31-1 ms (24.8 days) and fires after 1
 * ms when it is asked for more.
 */
export const maxDurationMs = 24 * units.d

/**
 * A whole number and one unit (`250ms`, `5s`, `2m`, `1h`, `1d`) in milliseconds; undefined when it is
 * anything else.
 */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,12})(ms|s|m|h|d)$/.exec(text)
  if (match === null) return undefined
  return Number(match[1]) * units[match[2] as keyof typeof units]
}

/** The shortest text that parseDuration() reads back as `ms`, a whole number of milliseconds. */
export function formatDuration(ms: number): string {
  const unit = (['d', 'h', 'm', 's'] as const).find((name) => ms !== 0 && ms % units[name] === 0)
  return unit === undefined ? `${ms}ms` : `${ms / units[unit]}${unit}`
}
