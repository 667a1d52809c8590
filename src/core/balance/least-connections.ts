import type { EndpointSnapshot } from '../snapshot.ts'

/**
 * The endpoint with the lowest load per weight; among equals one at random by weight, so that the workers do
 * not all run to the first of an idle pool. Undefined only when `remaining` is empty.
 */
export function leastConnections(
  remaining: readonly EndpointSnapshot[],
  context: { load(slot: number): number; random(): number },
): EndpointSnapshot | undefined {
  let best: EndpointSnapshot | undefined
  let bestLoad = 0
  let equalWeights = 0
  for (const endpoint of remaining) {
    const load = context.load(endpoint.slot)
    // a/b against c/d without a division: fractions that are equal must compare as equal.
    const difference = best === undefined ? -1 : load * best.weight - bestLoad * endpoint.weight
    if (difference > 0) continue
    equalWeights = difference < 0 ? endpoint.weight : equalWeights + endpoint.weight
    // One pass: each of the equals so far has been kept with probability weight / equalWeights.
    if (difference < 0 || context.random() * equalWeights < endpoint.weight) {
      best = endpoint
      bestLoad = load
    }
  }
  return best
}
