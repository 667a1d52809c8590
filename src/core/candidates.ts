import { leastConnections } from './balance/least-connections.ts'
import { p2c } from './balance/p2c.ts'
import { roundRobin, type Turns } from './balance/round-robin.ts'
import { sourceHash } from './balance/source-hash.ts'
import { hash32 } from './hash.ts'
import { fullShare, shareOf } from './slow-start.ts'
import type { EndpointSnapshot, PoolSnapshot } from './snapshot.ts'
import { type Special, specialOf } from './special-address.ts'
import { healthBit, notUp, takenLast } from './tally.ts'

/**
 * The endpoints of a pool in the order in which one session tries them: failover is simply the next one.
 * Tiers by priority, within a tier by the pool's policy. A suspect or silent endpoint is offered after all
 * others of all tiers, one that is not up only when none is up in any tier (panic; where the pool says
 * `panic: off`, not even then one that probes call down), one that is draining or whose connections are let
 * go never. One in slow start is passed over by the connections that it is not to have yet, as long as
 * another one, in whatever tier, has come further. Now and then a silent one is offered first, to the one
 * client that asks whether it speaks again. Of a transparent pool, those of the client's own family.
 */
export interface Candidates {
  /**
   * The next endpoint, never the same one twice; undefined when there is none left. Health and load are read
   * now, so what happened since the last call counts.
   */
  next(): EndpointSnapshot | undefined
  /** As of the latest next(): no endpoint is up, so those that are not up are tried. */
  readonly panic: boolean
  /** As of the latest next(): an untried endpoint was passed over because it is at maxConnections. */
  readonly full: boolean
  /** As of the latest next(): an untried endpoint that was passed over because it is suspect. */
  readonly suspect: EndpointSnapshot | undefined
  /**
   * The pool has endpoints, and to none of them a connection can begin at the client's own address, as it
   * should.
   */
  readonly foreign: boolean
}

/** What a choice depends on; all of it comes from the worker. */
export interface PickContext {
  /** The health word of an endpoint: bits of healthBit, none of them when it is up, and its share. */
  health(slot: number): number
  /** Relayed connections and pending dials of an endpoint, over all workers. */
  load(slot: number): number
  /** True: this client is the one that asks a silent endpoint whether it speaks again. */
  takeAsking(slot: number): boolean
  /** Uniform in [0, 1). */
  random(): number
  /** The client's address without its port: 4 or 16 bytes. */
  readonly client: Uint8Array
  /** The worker's own. */
  readonly turns: Turns
}

/**
 * Starts a new order; nothing is read or chosen before the first next(). `pool` lists its endpoints by
 * priority.
 */
export function candidates(pool: PoolSnapshot, context: PickContext): Candidates {
  return new Order(pool, context)
}

/** A class, not closures: one object for each connection. */
class Order implements Candidates {
  panic = false
  full = false
  suspect: EndpointSnapshot | undefined
  readonly #pool: PoolSnapshot
  readonly #endpoints: readonly EndpointSnapshot[]
  readonly #context: PickContext
  /** As of the latest next(): untried endpoints that were passed over because they are silent. */
  #silent: readonly EndpointSnapshot[] = none
  #latest: EndpointSnapshot | undefined
  /** Made by the second next(): most sessions need only one. */
  #tried: Set<EndpointSnapshot> | undefined
  /**
   * In [0, 1): how large the share of an endpoint must be to have this connection. Drawn when someone is in
   * slow start.
   */
  #reserve: number | undefined

  constructor(pool: PoolSnapshot, context: PickContext) {
    this.#pool = pool
    this.#endpoints = pool.transparent ? ofFamily(pool.endpoints, context.client) : pool.endpoints
    this.#context = context
  }

  get foreign(): boolean {
    return this.#endpoints.length === 0 && this.#pool.endpoints.length > 0
  }

  next(): EndpointSnapshot | undefined {
    if (this.#latest !== undefined) this.#tried = (this.#tried ?? new Set()).add(this.#latest)
    this.full = false
    this.suspect = undefined
    this.#silent = none
    let tier = this.#firstTier(notUp | takenLast)
    if (tier.some(({ slot }) => this.#shareOf(slot) < fullShare)) tier = this.#firstTierOfShare()
    const passedOver = this.#silent.length > 0 || this.suspect !== undefined
    if (tier.length === 0 && passedOver) tier = this.#firstTier(notUp)
    else if (tier.length > 0 && passedOver) {
      const asked = this.#silent.find((one) => !this.#isFull(one) && this.#context.takeAsking(one.slot))
      if (asked !== undefined) tier = [asked]
    }
    const never = healthBit.draining | healthBit.released | (this.#pool.panic ? 0 : healthBit.down)
    this.panic = tier.length === 0 && noneIsUp(this.#endpoints, this.#context, never)
    if (this.panic) tier = this.#firstTier(never)
    this.#latest = tier.length > 1 ? pick(this.#pool, tier, this.#context) : tier[0]
    return this.#latest
  }

  /**
   * What the first tier that has anything offers: untried, below its limit, and with none of the `unwanted`
   * bits.
   */
  #firstTier(unwanted: number): EndpointSnapshot[] {
    let tier: EndpointSnapshot[] | undefined
    for (const endpoint of this.#endpoints) {
      if (tier?.[0] !== undefined && tier[0].priority !== endpoint.priority) break
      if (!this.#offers(endpoint, unwanted)) continue
      if (tier === undefined)
        tier = [endpoint] // a first push() makes room for seventeen
      else tier.push(endpoint)
    }
    return tier ?? []
  }

  /**
   * The same while someone is in slow start. One draw decides for all endpoints, so that a tier that comes
   * back as a whole takes its share of the connections and not more. Shares are measured by the largest one
   * there is: when all come back at once, all are offered at once.
   */
  #firstTierOfShare(): EndpointSnapshot[] {
    const offered = this.#endpoints.filter((one) => this.#offers(one, notUp | takenLast))
    const largest = offered.reduce((share, { slot }) => Math.max(share, this.#shareOf(slot)), 0)
    this.#reserve ??= reserve(this.#pool, this.#context)
    const least = this.#reserve * largest
    const first = offered.find(({ slot }) => this.#shareOf(slot) > least)
    return offered.filter(({ slot, priority }) => priority === first?.priority && this.#shareOf(slot) > least)
  }

  /** Also records which endpoints are passed over because they are suspect, silent or full. */
  #offers(endpoint: EndpointSnapshot, unwanted: number): boolean {
    const unfit = this.#context.health(endpoint.slot) & unwanted
    if ((unfit & ~takenLast) !== 0) return false
    if (this.#tried?.has(endpoint)) return false
    if (unfit !== 0) {
      if ((unfit & healthBit.suspect) !== 0) this.suspect ??= endpoint
      else if (!this.#silent.includes(endpoint)) this.#silent = [...this.#silent, endpoint]
      return false
    }
    if (!this.#isFull(endpoint)) return true
    this.full = true
    return false
  }

  /** Workers count for themselves, so together they may exceed a limit by what they accept at one moment. */
  #isFull({ slot, maxConnections }: EndpointSnapshot): boolean {
    return maxConnections !== null && this.#context.load(slot) >= maxConnections
  }

  #shareOf(slot: number): number {
    return shareOf(this.#context.health(slot))
  }
}

const none: readonly never[] = []

/** To these a connection can begin at `client`, an address of 4 or 16 bytes. */
function ofFamily(endpoints: readonly EndpointSnapshot[], client: Uint8Array): readonly EndpointSnapshot[] {
  const family = client.length === 4 ? 4 : 6
  const special = specialOf({ family, bytes: client })
  if (special !== null && bindsAnyway.has(special)) return none
  return endpoints.filter(({ address }) => address.family === family)
}

/**
 * A PROXY header may name one of these. The kernel takes them in bind() and sends from an address of this
 * host instead.
 */
const bindsAnyway: ReadonlySet<Special> = new Set<Special>(['unspecified', 'multicast', 'broadcast'])

/**
 * Any number that is not the seed of an endpoint: whether a client goes to an endpoint in slow start must not
 * depend on which endpoint it hashes to.
 */
const reserveSeed = 0x51_0e_57_a2

/**
 * By the client for source-hash, so that a client moves to an endpoint that came back once, and not back and
 * forth.
 */
function reserve(pool: PoolSnapshot, context: PickContext): number {
  return pool.balance === 'source-hash' ? hash32(context.client, reserveSeed) / 2 ** 32 : context.random()
}

/**
 * No endpoint is up, and at least one has no bit of `never`. An endpoint that was tried or is full is still
 * up: its failure does not make a down one any better.
 */
function noneIsUp(endpoints: readonly EndpointSnapshot[], context: PickContext, never: number): boolean {
  let some = false
  for (const endpoint of endpoints) {
    const word = context.health(endpoint.slot)
    if ((word & notUp) === 0) return false
    if ((word & never) === 0) some = true
  }
  return some
}

function pick(
  pool: PoolSnapshot,
  remaining: readonly EndpointSnapshot[],
  context: PickContext,
): EndpointSnapshot | undefined {
  switch (pool.balance) {
    case 'p2c':
      return p2c(remaining, context)
    case 'round-robin':
      return roundRobin(pool, remaining, context.turns)
    case 'least-connections':
      return leastConnections(remaining, context)
    case 'source-hash':
      return sourceHash(remaining, context.client)
  }
}
