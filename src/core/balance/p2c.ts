import type { EndpointSnapshot } from '../snapshot.ts'

/**
 * Power of two choices: draws two different endpoints at random by weight and takes the one with the lower
 * load per weight. Undefined only when `remaining` is empty.
 *
 * On a tie the first drawn wins: it is the draw that follows the weights exactly. A coin would give an idle
 * pair of weights 5 and 1 equal shares.
 */
export function p2c(
  remaining: readonly EndpointSnapshot[],
  context: { load(slot: number): number; random(): number },
): EndpointSnapshot | undefined {
  let weights = 0
  for (const endpoint of remaining) weights += endpoint.weight
  const first = draw(remaining, undefined, context.random() * weights)
  if (first === undefined) return undefined
  const second = draw(remaining, first, context.random() * (weights - first.weight))
  if (second === undefined) return first
  // a/b < c/d without a division, as both weights are positive.
  return context.load(second.slot) * first.weight < context.load(first.slot) * second.weight ? second : first
}

/** The endpoint at position `at` when all but `except` are laid end to end, each as long as its weight. */
function draw(
  endpoints: readonly EndpointSnapshot[],
  except: EndpointSnapshot | undefined,
  at: number,
): EndpointSnapshot | undefined {
  let drawn: EndpointSnapshot | undefined
  let left = at
  for (const endpoint of endpoints) {
    if (endpoint === except) continue
    drawn = endpoint // kept past the loop: random() * weights may round up to the very end
    left -= endpoint.weight
    if (left < 0) break
  }
  return drawn
}
