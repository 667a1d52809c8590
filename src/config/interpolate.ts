/** What became of a text: `${NAME}` replaced, or what could not be. */
export interface Expanded {
  readonly text: string
  /** The references that were replaced, as written: `${NAME}`. */
  readonly references: readonly string[]
  readonly failures: readonly ExpandFailure[]
}

export interface ExpandFailure {
  /** The part of the text that failed, as written. */
  readonly part: string
  readonly message: string
  readonly hint: string
}

/** Further problems of the same text would add nothing. */
const maxFailures = 10
/** A short text can hold a long variable many times. */
const maxAdded = 64 * 1024

/**
 * Replaces `${NAME}` and `${NAME:-default}` by variables of `env` and `$$` by `$`, once: what a variable
 * holds is not looked at again. The default also stands in for an empty variable, as in a shell. Any other
 * `$` stays.
 */
export function expand(text: string, env: Readonly<Record<string, string | undefined>>): Expanded {
  const references: string[] = []
  const failures: ExpandFailure[] = []
  const fail = (part: string, message: string, hint: string): string => {
    if (failures.length < maxFailures) failures.push({ part, message, hint })
    return ''
  }
  let added = 0
  const expanded = text.replace(/\$\$|\$\{[^}]*\}?/g, (part) => {
    if (part === '$$') return '$'
    if (!part.endsWith('}'))
      return fail(part, `\`${part}\` is not closed`, 'add `}`; a plain `$` is written `$$`')
    const match = /^\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?\}$/s.exec(part)
    const [, name = '', fallback] = match ?? []
    if (match === null) {
      return fail(
        part,
        `\`${part}\` is not a variable`,
        `write $\{NAME} or $\{NAME:-default}; a plain \`$\` is \`$$\``,
      )
    }
    // hasOwn: `env` may be an ordinary object, and `${constructor}` is no variable.
    const value = Object.hasOwn(env, name) ? env[name] : undefined
    if (fallback === undefined && value === undefined) {
      return fail(part, `variable \`${name}\` is not set`, `set it, or give a default: \${${name}:-...}`)
    }
    references.push(part)
    const filled = fallback !== undefined && (value === undefined || value === '') ? fallback : (value ?? '')
    added += filled.length
    if (added > maxAdded)
      return fail(part, 'the variables in this text are too long', 'no field holds so much')
    return filled
  })
  return { text: expanded, references, failures }
}
