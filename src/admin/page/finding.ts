/**
 * `blocks`: clients are not served. `hurts`: they are, but less well or not for long. `note`: worth knowing.
 */
export const severities = ['blocks', 'hurts', 'note'] as const
export type Severity = (typeof severities)[number]

/** Something that a person who looks at the page should know first. */
export interface Finding {
  readonly severity: Severity
  /** What is wrong, as a sentence without its full stop. */
  readonly what: string
  /** What it comes from, as far as it is known; empty: it is not. */
  readonly why: string
  /** What to do. */
  readonly remedy: string
  /** A command that helps, its words shell-quoted; null: there is none. */
  readonly command: string | null
  /** The part of the page that says more. */
  readonly about: About
}

export type About =
  | { readonly kind: 'program' | 'workers' | 'configuration' }
  | { readonly kind: 'listener' | 'pool'; readonly name: string }

/** `9,872`, as everywhere on the page. */
export function counted(value: number): string {
  return value.toLocaleString('en')
}

/** For how long: the two largest units, `3 h 12 min`, `22 s`. */
export function lasting(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000))
  const units = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3_600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ] as const
  const first = units.findIndex(([value]) => value > 0)
  if (first === -1) return '0 s'
  const told = units.slice(first, first + 2).filter(([value]) => value > 0)
  return told.map(([value, unit]) => `${value} ${unit}`).join(' ')
}

/** One word as a POSIX shell reads it back. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
