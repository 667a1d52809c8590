import type { EndpointSnapshot, PoolSnapshot } from '../core/snapshot.ts'
import { warmShare } from '../core/warm.ts'
import type { Cancel, RelayEnd, Wire } from '../plane/plane.ts'
import { refillMs, Shelf, type ShelfContext } from './shelf.ts'

/** Connections of a worker that wait for a client. */
export interface Warm<W> {
  /**
   * A connected wire to `endpoint` that nothing was sent on; null: there is none, dial. The caller owns it.
   */
  take(endpoint: EndpointSnapshot): W | null
}

export interface WarmOptions {
  /** Of this worker, 1 to `workers`. */
  readonly index: number
  readonly workers: number
}

interface Known<W extends Wire> {
  /** The settings that it was made with, as text. */
  readonly key: string
  readonly shelf: Shelf<W>
}

/** The shelves of a worker: one for each endpoint of a pool that wants warm connections. */
export class WarmShelves<W extends Wire> implements Warm<W> {
  readonly #context: ShelfContext<W>
  readonly #options: WarmOptions
  /** By slot. */
  #shelves: ReadonlyMap<number, Known<W>> = new Map()
  #cancelLook: Cancel | null = null
  #lookAtMs = Number.POSITIVE_INFINITY

  constructor(context: ShelfContext<W>, options: WarmOptions) {
    this.#context = context
    this.#options = options
  }

  /** Keeps connections to the endpoints of exactly these pools; of none: holds nothing, not even a timer. */
  update(pools: Iterable<PoolSnapshot>): void {
    const { index, workers } = this.#options
    const before = this.#shelves
    const shelves = new Map<number, Known<W>>()
    for (const pool of pools) {
      const { warm } = pool
      if (warm === null) continue
      for (const endpoint of pool.endpoints) {
        const { slot } = endpoint
        const key = JSON.stringify([endpoint.id, endpoint.maxConnections, warm, pool.connect])
        const known = before.get(slot)
        const share = warmShare(warm.connections, workers, index, slot)
        const same = known !== undefined && known.key === key ? known : null
        shelves.set(slot, same ?? { key, shelf: new Shelf(this.#context, pool, endpoint, warm, share) })
      }
    }
    for (const [slot, known] of before) if (shelves.get(slot) !== known) known.shelf.release()
    this.#shelves = shelves
    this.#look()
  }

  take({ slot }: EndpointSnapshot): W | null {
    const known = this.#shelves.get(slot)
    if (known === undefined) return null
    const wire = known.shelf.take()
    this.#lookIn(refillMs)
    return wire
  }

  #look(): void {
    this.#cancelLook?.()
    this.#cancelLook = null
    this.#lookAtMs = Number.POSITIVE_INFINITY
    let ms = Number.POSITIVE_INFINITY
    for (const { shelf } of this.#shelves.values()) ms = Math.min(ms, shelf.look())
    if (ms < Number.POSITIVE_INFINITY) this.#lookIn(ms)
  }

  #lookIn(ms: number): void {
    const { plane } = this.#context
    const atMs = plane.now() + ms
    if (atMs >= this.#lookAtMs) return
    this.#cancelLook?.()
    this.#lookAtMs = atMs
    this.#cancelLook = plane.after(ms, () => this.#look())
  }
}

/**
 * Did the client of a warm connection lose it because the endpoint had given it up? Seen from here: the
 * endpoint ended it first, without a byte, after the client had spoken or by a reset.
 */
export function wasLost({ closed, bytesUp, bytesDown }: RelayEnd): boolean {
  return closed.first === 'server' && bytesDown === 0 && (bytesUp > 0 || closed.how === 'rst')
}
