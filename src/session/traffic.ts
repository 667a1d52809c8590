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
import type { RelayEnd, RelayOwner, Wire } from '../plane/plane.ts'
import type { SessionContext } from './context.ts'
import { wasCutOff } from './verdict.ts'
import type { Waiter } from './waiting.ts'
import { wasLost } from './warm.ts'

type TrafficContext = Pick<SessionContext<Wire>, 'row' | 'tally' | 'waiting' | 'signs'>

/** What the endpoint has been told and has said: `asked`, a Waiter, has sent it something; `heard` has a byte from it. */
type Speech = { readonly kind: 'none' } | Waiter | { readonly kind: 'heard' }

const none = { kind: 'none' } as const
const heard = { kind: 'heard' } as const

/** Whose connection it is. */
export interface TrafficOwner {
  ended(end: RelayEnd): void
}

/** A relayed connection as its endpoint and its listener see it: counted from the hand-over until leave(). */
export class Traffic implements RelayOwner {
  readonly endpoint: EndpointSnapshot
  readonly #context: TrafficContext
  /** The listener's. */
  readonly #cells: number
  readonly #owner: TrafficOwner
  readonly #warm: boolean
  #speech: Speech = none
  /** The endpoint's FIN was read. */
  #spent = false

  constructor(
    context: TrafficContext,
    listenerSlot: number,
    { endpoint, warm }: { readonly endpoint: EndpointSnapshot; readonly warm: boolean },
    owner: TrafficOwner,
  ) {
    this.endpoint = endpoint
    this.#context = context
    this.#cells = listenerCell(listenerSlot)
    this.#owner = owner
    this.#warm = warm
    add(context.row, endpointCell(endpoint.slot) + endpointField.active, 1)
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

  /** It is no connection of the endpoint any more. */
  leave(end: RelayEnd): void {
    const { row } = this.#context
    const { slot } = this.endpoint
    const cells = endpointCell(slot)
    add(row, cells + endpointField.active, -1)
    if (this.#spent) add(row, cells + endpointField.spent, -1)
    if (this.#warm && wasLost(end)) add(row, staleCell(slot, 'used'), 1)
    if (this.#speech.kind !== 'heard') this.#unheard(this.#speech, end)
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
