/** `blocks`: clients are not served. `hurts`: they are, and less well, or not for long. `note`: worth knowing. */
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

/** One word as a POSIX shell reads it back. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
