/** Real names are not longer, and a comparison takes longer the longer they are. */
const maxLength = 100
/** Real configurations do not have more names of one kind. */
const maxWords = 1000

/** The word nearest to `given`, if it is near enough to be meant; otherwise undefined. */
export function suggest(given: string, words: Iterable<string>): string | undefined {
  if (given.length > maxLength) return undefined
  let best: string | undefined
  let compared = 0
  // A third of the letters may be wrong; one of a short word.
  let limit = Math.max(1, Math.floor(given.length / 3))
  for (const word of words) {
    if (compared++ === maxWords) break
    if (word.length > maxLength) continue
    const near = isStem(given, word) || isStem(word, given)
    const edits = near ? 1 : distance(given.toLowerCase(), word.toLowerCase())
    if (edits > limit || (best !== undefined && edits === limit)) continue
    best = word
    limit = edits
  }
  return best
}

/** `did you mean ...`, or null when no word is near. */
export function didYouMean(given: string, words: Iterable<string>): string | null {
  const word = suggest(given, words)
  return word === undefined ? null : `did you mean \`${word}\`?`
}

/** `warn` of `warning`. */
function isStem(stem: string, word: string): boolean {
  return stem.length >= 3 && stem !== word && word.toLowerCase().startsWith(stem.toLowerCase())
}

/** Insertions, deletions, replacements, and swaps of neighbours that turn `a` into `b`. */
function distance(a: string, b: string): number {
  let before: number[] = []
  let above = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      let cost = Math.min((above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (above[j - 1] ?? 0) + same)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (swapped) cost = Math.min(cost, (before[j - 2] ?? 0) + 1)
      row.push(cost)
    }
    before = above
    above = row
  }
  return above[b.length] ?? 0
}
