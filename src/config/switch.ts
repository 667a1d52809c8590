/**
 * What `on` and `off` are written as. YAML 1.1 has them for true and false, so programs that write it turn
 * one pair into the other; what a program puts into a variable may be a `False`. undefined: something else.
 */
export function readSwitch(given: unknown): boolean | undefined {
  const word = wordOf(given)
  if (word === 'on' || word === 'true') return true
  return word === 'off' || word === 'false' ? false : undefined
}

/** What to write instead; null: it looks like no switch. */
export function switchHint(given: unknown): string | null {
  const word = wordOf(given)
  if (/^(no?|none|disabled?)$/.test(word)) return 'write `off`'
  return /^(y|yes|enabled?)$/.test(word) ? 'write `on`' : null
}

function wordOf(given: unknown): string {
  return typeof given === 'string' || typeof given === 'boolean' ? String(given).toLowerCase() : ''
}

/** For editors. A quoted `"false"` counts, as what a template makes of it. */
export const offForm = { enum: ['off', false, 'false'] }
export const onForm = { enum: ['on', true, 'true'] }
