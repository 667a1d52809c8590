/** As much of a word as a line shows: the longest name that DNS has. */
const maxShown = 255

/**
 * A word that came from the wire (a server name, a protocol; one character for each byte) as it may stand in
 * a log line or on a terminal: what is not printable ASCII shows as `\xNN`, and so does the backslash, so
 * that no two words look alike. Not for JSON, which has its own escapes.
 */
export function wireWord(word: string): string {
  const shown = word.length > maxShown ? word.slice(0, maxShown) : word
  const text = shown.replace(
    /[^\x20-\x5b\x5d-\x7e]/g,
    (character) => `\\x${hex(character.charCodeAt(0) & 0xff)}`,
  )
  return shown === word ? text : `${text}…`
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0')
}
