/**
 * Divides `room` among those who want parts of it, so that the smallest allocation is as large as possible
 * (max-min fairness): whoever wants no more than an equal part gets all of it, and what that leaves is
 * divided again among the others.
 */
export function fairShares(wanted: readonly number[], room: number): readonly number[] {
  const shares = new Array<number>(wanted.length).fill(0)
  const byWish = wanted.map((wish, at) => ({ wish, at })).sort((a, b) => a.wish - b.wish || a.at - b.at)
  let left = room
  for (const [i, { wish, at }] of byWish.entries()) {
    const share = Math.min(wish, Math.floor(left / (byWish.length - i)))
    shares[at] = share
    left -= share
  }
  return shares
}
