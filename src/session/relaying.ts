import type { EndedBy, Outcome } from '../core/outcome.ts'
import type { EndpointSnapshot } from '../core/snapshot.ts'
import {
  add,
  endpointCell,
  endpointField,
  listenerCell,
  listenerField,
  staleCell,
  workerCell,
} from '../core/tally.ts'
import type { Relay, RelayEnd, RelayOwner, Wire } from '../plane/plane.ts'
import type { Route, SessionContext } from './context.ts'
import { endedByAge } from './lifetime.ts'
import type { Connected } from './round.ts'
import { causeOf, wasCutOff } from './verdict.ts'
import type { Waiter } from './waiting.ts'
import { wasLost } from './warm.ts'

/** What the endpoint has been told and has said: `asked`, a Waiter, has sent it something; `heard` has a byte from it. */
type Speech = { readonly kind: 'none' } | Waiter | { readonly kind: 'heard' }

const none = { kind: 'none' } as const
const heard = { kind: 'heard' } as const
const byAge = { cause: 'proxy', closed: { first: 'proxy', how: 'timeout' } } as const

/** Whose connection it is. */
export interface RelayingOwner {
  ended(end: RelayEnd): void
}

/** A connection from the hand-over to leave(): its relay, and what its listener and its endpoint see of it. */
export class Relaying<W extends Wire> implements RelayOwner {
  readonly kind = 'relaying'
  readonly endpoint: EndpointSnapshot
  readonly relay: Relay
  readonly sinceMs: number
  readonly #context: SessionContext<W>
  /** The listener's. */
  readonly #cells: number
  readonly #owner: RelayingOwner
  readonly #warm: boolean
  /** Why kill() or finish() was called; what its end is told as when that was the reason. */
  #endedBy: EndedBy = 'admin'
  #outlived = false
  #speech: Speech = none
  /** The endpoint's FIN was read. */
  #spent = false

  /** Hands over; bytes may move before it returns. `header` goes ahead of them. */
  constructor(
    context: SessionContext<W>,
    { listener }: Route,
    downstream: W,
    { wire, endpoint, warm }: Connected<W>,
    header: Uint8Array | null,
    owner: RelayingOwner,
  ) {
    this.endpoint = endpoint
    this.sinceMs = context.plane.now()
    this.#context = context
    this.#cells = listenerCell(listener.slot)
    this.#owner = owner
    this.#warm = warm
    add(context.row, endpointCell(endpoint.slot) + endpointField.active, 1)
    const { timeouts } = listener
    this.relay = context.plane.relay(downstream, wire, { header, timeouts, owner: this })
  }

  /** Its life is over: FIN to both. */
  outlive(): void {
    this.#outlived = true
    this.relay.finish()
  }

  kill(cause: EndedBy): void {
    this.#endedBy = cause
    this.relay.kill()
  }

  finish(cause: EndedBy): void {
    this.#endedBy = cause
    this.relay.finish()
  }

  up(count: number): void {
    if (this.#speech.kind === 'none') this.#speech = this.#context.waiting.asked(this.endpoint.slot)
    add(this.#context.row, this.#cells + listenerField.bytesUp, count)
  }

  down(count: number): void {
    const speech = this.#speech
    if (speech.kind !== 'heard') {
      this.#speech = heard
      this.#context.waiting.heard(this.endpoint.slot, speech.kind === 'asked' ? speech : null)
    }
    add(this.#context.row, this.#cells + listenerField.bytesDown, count)
  }

  buffered(delta: number): void {
    add(this.#context.row, workerCell.bufferedBytes, delta)
  }

  /** Whoever has said all it had to say is no load any more. */
  upstreamEnded(): void {
    this.#spent = true
    add(this.#context.row, endpointCell(this.endpoint.slot) + endpointField.spent, 1)
  }

  ended(end: RelayEnd): void {
    this.#owner.ended(end)
  }

  /** It is no connection of the endpoint any more. Returns why, and how. */
  leave(end: RelayEnd): Pick<Outcome, 'cause' | 'closed'> {
    const { row } = this.#context
    const { slot } = this.endpoint
    const cells = endpointCell(slot)
    add(row, cells + endpointField.active, -1)
    if (this.#spent) add(row, cells + endpointField.spent, -1)
    if (this.#warm && wasLost(end)) add(row, staleCell(slot, 'used'), 1)
    if (this.#speech.kind !== 'heard') this.#unheard(this.#speech, end)
    if (this.#outlived && endedByAge(end)) return byAge
    return { cause: causeOf(end, this.#endedBy), closed: end.closed }
  }

  /** It ended before the endpoint has said anything. That a warm connection was given up is no fault. */
  #unheard(speech: Speech, end: RelayEnd): void {
    const { row, tally, waiting, signs } = this.#context
    const { slot } = this.endpoint
    if (speech.kind === 'asked') waiting.left(speech)
    const served = endpointCell(slot) + endpointField.served
    if (end.kind === 'clean') add(row, served, 1)
    else if (!this.#warm && wasCutOff(end)) signs({ kind: 'cut-off', slot, served: tally.sum(served) })
  }
}
