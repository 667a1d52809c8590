import { formatAddress, type SocketAddress } from '../core/address.ts'
import type { RefusalSample } from '../core/message.ts'
import type { Refusal } from '../core/outcome.ts'
import type { ListenerSnapshot } from '../core/snapshot.ts'
import { add, listenerCell, listenerField, rejectedCell } from '../core/tally.ts'

/** Main makes one line a minute of them; a worker sends no more than it can use. */
const sampleMs = 60_000

/**
 * Counts refused connections, and tells main of one of each kind now and then: an attack costs two additions
 * each.
 */
export class Refusals {
  readonly #row: Float64Array
  readonly #nowMs: () => number
  readonly #tell: (sample: RefusalSample) => void
  /** When a sample of this listener and reason is due. At most a few for each listener that there is. */
  readonly #dueMs = new Map<string, number>()

  constructor(row: Float64Array, nowMs: () => number, tell: (sample: RefusalSample) => void) {
    this.#row = row
    this.#nowMs = nowMs
    this.#tell = tell
  }

  /** `client`: asked for only if it is told. `detail`: as in RefusalSample. */
  refused(listener: ListenerSnapshot, reason: Refusal, client: () => SocketAddress, detail = ''): void {
    add(this.#row, rejectedCell(listener.slot, reason), 1)
    this.#sample(listener, reason, client, detail)
  }

  /** It was admitted, because the limit of its source is only tried out. */
  overSource(listener: ListenerSnapshot, client: () => SocketAddress, detail: string): void {
    add(this.#row, listenerCell(listener.slot) + listenerField.overSource, 1)
    this.#sample(listener, 'dry-run', client, detail)
  }

  /** It was admitted, because there was no room to count its source. */
  untracked({ slot }: ListenerSnapshot): void {
    add(this.#row, listenerCell(slot) + listenerField.untracked, 1)
  }

  #sample(
    { name, slot }: ListenerSnapshot,
    reason: RefusalSample['reason'],
    client: () => SocketAddress,
    detail: string,
  ): void {
    const key = `${slot} ${reason}`
    const nowMs = this.#nowMs()
    if (nowMs < (this.#dueMs.get(key) ?? 0)) return
    this.#dueMs.set(key, nowMs + sampleMs)
    this.#tell({ listener: name, slot, reason, client: formatAddress(client()), detail })
  }
}
