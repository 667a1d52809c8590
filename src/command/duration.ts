const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
] as const

/**
 * The two largest units, rounded down, as kubectl shows an age: `3d4h`, `5m12s`, `7m`, `250ms`; `0s` for
 * nothing.
 */
export function shortDuration(ms: number): string {
  const whole = Math.max(0, Math.floor(ms))
  const first = units.findIndex(([, length]) => whole >= length)
  const unit = units[first]
  if (unit === undefined) return '0s'
  const [name, length] = unit
  const text = `${Math.floor(whole / length)}${name}`
  const next = units[first + 1]
  if (next === undefined || next[0] === 'ms') return text // 12s340ms would say no more than 12s
  const rest = Math.floor((whole % length) / next[1])
  return rest === 0 ? text : `${text}${rest}${next[0]}`
}
