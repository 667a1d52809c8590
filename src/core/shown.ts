/**
 * A text as a terminal may get it: what could move the cursor, change colours or turn the reading direction
 * shows as `\xNN` or `\u{NNNN}`, newlines included. Names and messages may come from the network.
 */
export function shown(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escaped)
}

/** The same for a text of several lines. */
export function shownLines(text: string): string {
  return text.split('\n').map(shown).join('\n')
}

function escaped(character: string): string {
  const hex = (character.codePointAt(0) ?? 0).toString(16)
  return hex.length > 2 ? `\\u{${hex}}` : `\\x${hex.padStart(2, '0')}`
}
