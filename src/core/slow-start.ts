/**
 * Slow start: an endpoint that came back, or is new, begins with a tenth of the connections that it would get
 * otherwise and gets a little more of them each moment, so that a gateway with cold caches is not met by
 * everything at once, and a tier that recovered takes over gradually. Main computes the share and publishes
 * it in the endpoint's health word; core/candidates.ts obeys it.
 */

/** Shares are in per mille. An endpoint that is not in slow start has this one. */
export const fullShare = 1000
/**
 * As Envoy's min_weight_percent: enough to open the gateway's own connections and to fill its caches with.
 */
const firstShare = 100

/** The share `elapsedMs` after a slow start of `lengthMs` began: a straight line up to fullShare. */
export function shareAfter(elapsedMs: number, lengthMs: number): number {
  if (elapsedMs >= lengthMs) return fullShare
  return firstShare + Math.floor((fullShare - firstShare) * Math.max(0, elapsedMs / lengthMs))
}

/**
 * The share is stored in the bits from 8 up of a health word. There 0 means the full share, so that a whole
 * word of 0 means: in use.
 */
const shareShift = 8

/** `share` as bits of a health word. */
export function shareBits(share: number): number {
  return share >= fullShare ? 0 : share << shareShift
}

/** The share in a health word. */
export function shareOf(word: number): number {
  const share = word >>> shareShift
  return share === 0 ? fullShare : share
}
