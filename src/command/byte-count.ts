const units = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

/** `0`, `1023`, `1.5KiB`, `12MiB`: three digits are enough to compare. */
export function byteCount(bytes: number): string {
  if (bytes < 1024) return String(bytes)
  let value = bytes / 1024
  let unit = 0
  while (value >= 1023.5 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)}${units[unit]}`
}
