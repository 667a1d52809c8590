import type { SocketAddress } from '../core/address.ts'
import type { Turns } from '../core/balance/round-robin.ts'
import type { PickContext } from '../core/candidates.ts'
import type { Wire } from '../plane/plane.ts'
import type { SessionContext } from './context.ts'

/**
 * What one session's choice of an endpoint depends on. A class, because a getter in an object literal becomes
 * part of a hidden class of its own: that class is allocated in the old generation and keeps whatever the
 * getter refers to alive until the next full collection.
 */
export class Pick<W extends Wire> implements PickContext {
  readonly #context: SessionContext<W>
  readonly #session: { readonly client: SocketAddress }

  constructor(context: SessionContext<W>, session: { readonly client: SocketAddress }) {
    this.#context = context
    this.#session = session
  }

  health(slot: number): number {
    return this.#context.tally.health(slot)
  }

  load(slot: number): number {
    return this.#context.tally.load(slot)
  }

  takeAsking(slot: number): boolean {
    return this.#context.tally.takeAsking(slot)
  }

  random(): number {
    return this.#context.random()
  }

  /** May cost a system call the first time: only source-hash asks. */
  get client(): Uint8Array {
    return this.#session.client.bytes
  }

  get turns(): Turns {
    return this.#context.turns
  }
}
