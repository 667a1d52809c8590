import { hash32 } from '../hash.ts'
import type { EndpointSnapshot } from '../snapshot.ts'

/**
 * Weighted rendezvous hashing: each endpoint scores the client, the highest score wins. Every process on
 * every node chooses alike, in whatever order the endpoints are listed; when one departs only its own clients
 * move, each to the endpoint that is also its failover. `client` is the address without its port. Undefined
 * only when `remaining` is empty.
 */
export function sourceHash(
  remaining: readonly EndpointSnapshot[],
  client: Uint8Array,
): EndpointSnapshot | undefined {
  let best: EndpointSnapshot | undefined
  let bestScore = 0
  for (const endpoint of remaining) {
    const score = scoreOf(endpoint, client)
    if (best === undefined || score > bestScore || (score === bestScore && endpoint.id < best.id)) {
      best = endpoint
      bestScore = score
    }
  }
  return best
}

/**
 * The score: -weight / ln(u), with u drawn from (0, 1) by the hash. The chance of the highest score is then
 * exactly the share of the weight (a race of exponential clocks with these rates), and a changed weight moves
 * no more clients than it must.
 */
function scoreOf(endpoint: EndpointSnapshot, client: Uint8Array): number {
  const seeds = seedsOf(endpoint)
  const high = hash32(client, seeds.high)
  const low = hash32(client, seeds.low)
  // 52 bits and a half: exact in a double and never 0 or 1, whose logarithms would be useless here.
  const u = (high * 2 ** 20 + (low >>> 12) + 0.5) / 2 ** 52
  return -endpoint.weight / Math.log(u)
}

interface Seeds {
  readonly high: number
  readonly low: number
}

/** Only a memo of a pure function: nothing depends on what it holds, and entries go with their snapshot. */
const memo = new WeakMap<EndpointSnapshot, Seeds>()
const utf8 = new TextEncoder()

/** The endpoint's identity as seeds: by id and never by slot, which differs between nodes. */
function seedsOf(endpoint: EndpointSnapshot): Seeds {
  const known = memo.get(endpoint)
  if (known !== undefined) return known
  const id = utf8.encode(endpoint.id)
  const seeds = { high: hash32(id, 0), low: hash32(id, 1) }
  memo.set(endpoint, seeds)
  return seeds
}
