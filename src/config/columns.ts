/**
 * What a terminal shows in two columns: UAX #11's Wide and Fullwidth, in whole blocks (Hangul, CJK, kana,
 * fullwidth forms), and what it shows as an emoji. Ambiguous characters count as one, as terminals have it in
 * every locale but a few old ones.
 */
const wide =
  /[\u1100-\u115f\u2329\u232a\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u
/**
 * What is drawn into the column before it: accents, joiners, and the vowels and finals of Hangul in pieces,
 * as macOS writes it.
 */
const none = /[\p{Mn}\p{Me}\p{Cf}\u1160-\u11ff\ud7b0-\ud7fb]/u

/**
 * Columns of a terminal that the text takes; a tab counts as one. Text directions must be taken out before.
 */
export function columnsOf(text: string): number {
  let columns = 0
  for (const character of text) columns += none.test(character) ? 0 : wide.test(character) ? 2 : 1
  return columns
}
