import type { Status } from '../core/status.ts'

/** 15 minutes. With 256 listeners and as many pools that is 1.3 MB, with two of each 13 KB. */
const length = 90
export const everyMs = 10_000

/** What is known of the last 15 minutes: the oldest value first, null where there was nothing yet. */
export interface Past {
  readonly everyMs: number
  /** Since the last values. */
  readonly ageMs: number
  readonly listeners: readonly ListenerPast[]
  readonly pools: readonly PoolPast[]
}

type Values = readonly (number | null)[]

export interface ListenerPast {
  readonly name: string
  /** Connections at the time. */
  readonly active: Values
  /** What follows was counted between two values. */
  readonly accepted: Values
  readonly failed: Values
  readonly refused: Values
  readonly bytes: Values
}

export interface PoolPast {
  readonly name: string
  /** Endpoints that were in use, and all that there were. */
  readonly up: Values
  readonly endpoints: Values
  /** Connections at the time. */
  readonly active: Values
}

const counters = ['accepted', 'failed', 'refused', 'bytes'] as const
type Counters = Readonly<Record<(typeof counters)[number], number>>

/** Counts of listeners and pools, of the last 15 minutes: no addresses, nothing of a single connection. */
export class History {
  readonly #listeners = new Map<string, { last: Counters; rings: Rings<keyof Counters | 'active'> }>()
  readonly #pools = new Map<string, Rings<'up' | 'endpoints' | 'active'>>()
  #taken = 0
  #atMs = Number.NEGATIVE_INFINITY

  /** One more value of each. Call it every `everyMs`. */
  add(status: Pick<Status, 'listeners' | 'pools'>, nowMs: number): void {
    const at = this.#taken++ % length
    this.#atMs = nowMs
    for (const listener of status.listeners) {
      const now = countersOf(listener)
      const known = this.#listeners.get(listener.name)
      // What came before the first value is not of these ten seconds.
      const entry = known ?? { last: now, rings: rings([...counters, 'active']) }
      for (const name of counters) entry.rings[name][at] = Math.max(0, now[name] - entry.last[name])
      entry.rings.active[at] = listener.active
      entry.last = now
      if (known === undefined) this.#listeners.set(listener.name, entry)
    }
    for (const { name, endpoints } of status.pools) {
      const ring = this.#pools.get(name) ?? rings(['up', 'endpoints', 'active'])
      this.#pools.set(name, ring)
      ring.up[at] = endpoints.filter(({ state }) => state === 'up' || state === 'unknown').length
      ring.endpoints[at] = endpoints.length
      ring.active[at] = endpoints.reduce((total, { active }) => total + active, 0)
    }
    forget(this.#listeners, status.listeners)
    forget(this.#pools, status.pools)
  }

  past(nowMs: number): Past {
    const start = this.#taken % length
    return {
      everyMs,
      ageMs: Math.max(0, nowMs - this.#atMs),
      listeners: [...this.#listeners].map(([name, each]) => ({ name, ...inOrder(each.rings, start) })),
      pools: [...this.#pools].map(([name, each]) => ({ name, ...inOrder(each, start) })),
    }
  }
}

/** NaN: nothing yet. */
type Rings<Name extends string> = Record<Name, Float64Array>

function rings<Name extends string>(names: readonly Name[]): Rings<Name> {
  const made: Partial<Rings<Name>> = {}
  for (const name of names) made[name] = new Float64Array(length).fill(Number.NaN)
  return made as Rings<Name>
}

function inOrder<Name extends string>(ring: Rings<Name>, start: number): Record<Name, Values> {
  const made: Partial<Record<Name, Values>> = {}
  for (const name in ring) {
    const values = Array.from(ring[name], (value) => (Number.isNaN(value) ? null : value))
    made[name] = [...values.slice(start), ...values.slice(0, start)]
  }
  return made as Record<Name, Values>
}

function countersOf({
  accepted,
  failed,
  refused,
  bytesUp,
  bytesDown,
}: Status['listeners'][number]): Counters {
  return { accepted, failed: sum(failed), refused: sum(refused), bytes: bytesUp + bytesDown }
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0)
}

/** A reload may take away what is not in the picture any more. */
function forget(known: Map<string, unknown>, present: readonly { readonly name: string }[]): void {
  const names = new Set(present.map(({ name }) => name))
  for (const name of known.keys()) if (!names.has(name)) known.delete(name)
}
