import type { EndpointId, EndpointSnapshot, PoolSnapshot } from '../snapshot.ts'
import { maxListeners } from '../tally.ts'

/**
 * Smooth weighted round-robin as nginx does it: weights 5, 1, 1 give a a b a c a a, not a a a a a b c.
 * Undefined only when `remaining` is empty. An endpoint that is not in `remaining` keeps its credit for
 * later.
 */
export function roundRobin(
  pool: PoolSnapshot,
  remaining: readonly EndpointSnapshot[],
  turns: Turns,
): EndpointSnapshot | undefined {
  const credits = turns.of(pool)
  let weights = 0
  let best: EndpointSnapshot | undefined
  let bestCredit: Credit | undefined
  for (const endpoint of remaining) {
    const credit = creditOf(endpoint.id, credits)
    credit.amount += endpoint.weight
    weights += endpoint.weight
    if (bestCredit === undefined || credit.amount > bestCredit.amount) {
      best = endpoint
      bestCredit = credit
    }
  }
  if (bestCredit !== undefined) bestCredit.amount -= weights
  return best
}

interface Credit {
  amount: number
}

function creditOf(id: EndpointId, credits: Map<EndpointId, Credit>): Credit {
  const known = credits.get(id)
  if (known !== undefined) return known
  const credit = { amount: 0 }
  credits.set(id, credit)
  return credit
}

/**
 * The turns of one worker. Keyed by names, so that they survive new snapshots. Bounded without being told of
 * departures: three times the endpoints of a pool, and `maxListeners` pools, since only a listener's pool
 * takes turns.
 */
export class Turns {
  readonly #pools = new Map<string, Map<EndpointId, Credit>>()

  /** The credits of a pool; those of departed endpoints are dropped when they outnumber the present ones. */
  of(pool: PoolSnapshot): Map<EndpointId, Credit> {
    const credits = this.#pools.get(pool.name)
    if (credits === undefined) return this.#open(pool.name)
    // Not at the first stranger: a session may still retry on an older snapshot whose endpoints are others.
    if (credits.size > 2 * pool.endpoints.length) keepOnly(credits, pool)
    return credits
  }

  /** How many endpoints are remembered, over all pools. */
  get size(): number {
    let total = 0
    for (const credits of this.#pools.values()) total += credits.size
    return total
  }

  #open(name: string): Map<EndpointId, Credit> {
    // The oldest goes; should it still be in use, its rotation merely starts again.
    const [oldest] = this.#pools.keys()
    if (oldest !== undefined && this.#pools.size >= maxListeners) this.#pools.delete(oldest)
    const credits = new Map<EndpointId, Credit>()
    this.#pools.set(name, credits)
    return credits
  }
}

function keepOnly(credits: Map<EndpointId, Credit>, pool: PoolSnapshot): void {
  const present = new Set(pool.endpoints.map((endpoint) => endpoint.id))
  for (const id of credits.keys()) if (!present.has(id)) credits.delete(id)
}
