import { pool as poolSchema } from '../../src/config/pool-schema.ts'
import { type SocketAddress, socketAddress } from '../../src/core/address.ts'
import { Turns } from '../../src/core/balance/round-robin.ts'
import type { PickContext } from '../../src/core/candidates.ts'
import type { EndpointId, EndpointSnapshot, PoolSnapshot } from '../../src/core/snapshot.ts'

const usualPool = poolSchema.parse({})

/** A repeatable random(): mulberry32. */
export function seeded(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export function address(ip: string, port: number): SocketAddress {
  const parsed = socketAddress(ip, port)
  if (parsed === undefined) throw new TypeError(`not an address: ${ip}`)
  return parsed
}

/** Endpoint number `slot`, `10.0.0.<slot>:80` unless it is given another name. */
export function endpoint(slot: number, fields: Partial<EndpointSnapshot> = {}): EndpointSnapshot {
  return {
    id: id(`10.0.0.${slot}:80`),
    slot,
    address: address(`10.0.0.${slot}`, 80),
    priority: 0,
    weight: 1,
    maxConnections: null,
    ...fields,
  }
}

export function id(name: string): EndpointId {
  return name as EndpointId
}

/** Endpoints a, b, c … with these weights and slots 0, 1, 2 … */
export function weighted(...weights: number[]): EndpointSnapshot[] {
  return weights.map((weight, slot) => endpoint(slot, { id: id(String.fromCharCode(97 + slot)), weight }))
}

export function pool(
  balance: PoolSnapshot['balance'],
  endpoints: readonly EndpointSnapshot[],
  name = 'web',
): PoolSnapshot {
  const queue = { connections: 0, timeoutMs: 1000 }
  return { ...usualPool, name, balance, endpoints, queue, proxyProtocol: 'off' }
}

export function pickContext(fields: Partial<PickContext> = {}): PickContext {
  return {
    health: () => 0,
    load: () => 0,
    takeAsking: () => false,
    random: seeded(1),
    client: Uint8Array.of(192, 0, 2, 1),
    turns: new Turns(),
    ...fields,
  }
}

/** 10,000 clients as they are met: neighbours in one network, not random bits. */
export const clients: readonly Uint8Array[] = Array.from({ length: 10_000 }, (_, i) =>
  Uint8Array.of(10, 20, i >> 8, i & 0xff),
)

/** How often each endpoint (by slot) was picked. */
export function tally(count: number, picks: readonly (EndpointSnapshot | undefined)[]): number[] {
  const counts = new Array<number>(count).fill(0)
  for (const picked of picks) if (picked !== undefined) counts[picked.slot] = (counts[picked.slot] ?? 0) + 1
  return counts
}

/** Pearson's chi-square of counts against shares that are proportional to the weights. */
export function chiSquare(counts: readonly number[], weights: readonly number[]): number {
  const total = counts.reduce((sum, count) => sum + count, 0)
  const weightSum = weights.reduce((sum, weight) => sum + weight, 0)
  return counts.reduce((sum, count, i) => {
    const expected = (total * (weights[i] ?? 0)) / weightSum
    return sum + (count - expected) ** 2 / expected
  }, 0)
}
