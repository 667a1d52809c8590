import type { SessionFacts } from '../core/moved.ts'
import type { EndedBy, Outcome } from '../core/outcome.ts'
import { isWorthALook, type Look, lookOf } from '../core/slowness.ts'
import type { EndpointSnapshot, Timeouts } from '../core/snapshot.ts'
import {
  add,
  endpointCell,
  endpointField,
  listenerCell,
  listenerField,
  observeOf,
  poolHistograms,
  staleCell,
  workerCell,
} from '../core/tally.ts'
import type { TcpPair } from '../core/tcp-view.ts'
import type { Detached, Relay, RelayEnd, RelayOwner, RelaySockets, Wire } from '../plane/plane.ts'
import type { SessionContext } from './context.ts'
import { endedByAge } from './lifetime.ts'
import type { Connected } from './round.ts'
import { causeOf, wasCutOff } from './verdict.ts'
import type { Waiter } from './waiting.ts'
import { wasLost } from './warm.ts'

/**
 * What the endpoint has been told and has said: `asked`, a Waiter, has sent it something; `heard` has a byte
 * from it.
 */
type Speech = { readonly kind: 'none' } | Waiter | { readonly kind: 'heard' }

const none = { kind: 'none' } as const
const heard = { kind: 'heard' } as const
const byAge = { cause: 'proxy', closed: { first: 'proxy', how: 'timeout' } } as const
/**
 * A longer pause between two pieces from the gateway is no slow answer: it had nothing to say until then.
 */
const longestPauseMs = 2_000

/** What a connection that changes process takes along of this. */
export type RelayingFacts = Pick<
  SessionFacts,
  | 'relayedMs'
  | 'warm'
  | 'endedBy'
  | 'outlived'
  | 'askedMs'
  | 'heard'
  | 'spent'
  | 'firstByteMs'
  | 'movedMs'
  | 'asked'
  | 'gatewayMs'
  | 'turns'
>

/** How a relay begins: a header goes ahead, or it goes on from where another process left it. */
export type Beginning =
  | { readonly kind: 'header'; readonly header: Uint8Array | null }
  | { readonly kind: 'moved'; readonly facts: RelayingFacts; readonly past: Detached }

/** Whose connection it is. */
export interface RelayingOwner {
  /** It has lasted. True: it is written down, by its client's descriptor. */
  lasting(sockets: RelaySockets): boolean
  ended(end: RelayEnd): void
}

/**
 * A connection from the hand-over to leave(): its relay, and what its listener and its endpoint see of it.
 */
export class Relaying<W extends Wire> implements RelayOwner {
  readonly kind = 'relaying'
  readonly endpoint: EndpointSnapshot
  readonly relay: Relay
  readonly sinceMs: number
  readonly #context: SessionContext<W>
  /** The listener's. */
  readonly #cells: number
  readonly #owner: RelayingOwner
  readonly warm: boolean
  /** Why kill() or finish() was called; what its end is told as when that was the reason. */
  #endedBy: EndedBy = 'admin'
  #outlived = false
  #speech: Speech = none
  /** The endpoint's FIN was read. */
  #spent = false
  #firstByteMs = -1
  /** When bytes last moved, and whether they were the client's. */
  #movedMs: number
  #asked = false
  /** Time in which it was the gateway's turn and nothing came, and how often it was. */
  #gatewayMs = 0
  #turns = 0
  #heldBytes = 0
  #looked: TcpPair | null = null
  /** By which descriptor it is written down; -1: it is not. */
  #written = -1

  /** Hands over; bytes may move before it returns. */
  constructor(
    context: SessionContext<W>,
    { slot, timeouts }: { readonly slot: number; readonly timeouts: Timeouts },
    downstream: W,
    { wire, endpoint, warm }: Omit<Connected<W>, 'pool'>,
    beginning: Beginning,
    owner: RelayingOwner,
  ) {
    this.endpoint = endpoint
    this.#context = context
    this.#cells = listenerCell(slot)
    this.#owner = owner
    this.warm = warm
    add(context.row, endpointCell(endpoint.slot) + endpointField.active, 1)
    const nowMs = context.plane.now()
    this.sinceMs = nowMs
    this.#movedMs = nowMs
    let header: Uint8Array | null = null
    let past: Detached | null = null
    if (beginning.kind === 'header') header = beginning.header
    else {
      past = beginning.past
      this.sinceMs = nowMs - beginning.facts.relayedMs
      this.#recall(beginning.facts, nowMs)
    }
    this.relay = context.plane.relay(downstream, wire, { header, timeouts, owner: this, past })
  }

  #recall(facts: RelayingFacts, nowMs: number): void {
    const { waiting } = this.#context
    this.#endedBy = facts.endedBy
    this.#outlived = facts.outlived
    this.#firstByteMs = facts.firstByteMs
    this.#movedMs = nowMs - facts.movedMs
    this.#asked = facts.asked
    this.#gatewayMs = facts.gatewayMs
    this.#turns = facts.turns
    if (facts.heard) this.#speech = heard
    else if (facts.askedMs !== null) this.#speech = waiting.resumed(this.endpoint.slot, facts.askedMs)
    if (facts.spent) this.upstreamEnded()
  }

  /**
   * Lets the connection go to another process; null: it stays. It is no connection of the endpoint here
   * then.
   */
  detach(): { readonly facts: RelayingFacts; readonly detached: Detached } | null {
    const detached = this.relay.detach()
    if (detached === null) return null
    this.#strike()
    const { row, plane, waiting } = this.#context
    const nowMs = plane.now()
    const cells = endpointCell(this.endpoint.slot)
    const speech = this.#speech
    add(row, cells + endpointField.active, -1)
    if (this.#spent) add(row, cells + endpointField.spent, -1)
    const askedMs = speech.kind === 'asked' ? waiting.waitedMs(speech) : null
    if (speech.kind === 'asked') waiting.left(speech)
    const facts = {
      relayedMs: nowMs - this.sinceMs,
      warm: this.warm,
      endedBy: this.#endedBy,
      outlived: this.#outlived,
      askedMs,
      heard: speech.kind === 'heard',
      spent: this.#spent,
      firstByteMs: this.#firstByteMs,
      movedMs: nowMs - this.#movedMs,
      asked: this.#asked,
      gatewayMs: this.#gatewayMs,
      turns: this.#turns,
    }
    return { facts, detached }
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

  up(count: number, nowMs: number): void {
    const { row, waiting } = this.#context
    const { slot } = this.endpoint
    if (this.#speech.kind === 'none') this.#speech = waiting.asked(slot)
    this.#asked = true
    this.#movedMs = nowMs
    add(row, this.#cells + listenerField.bytesUp, count)
    add(row, endpointCell(slot) + endpointField.bytesUp, count)
  }

  down(count: number, nowMs: number): void {
    const { row } = this.#context
    const { slot } = this.endpoint
    if (this.#speech.kind !== 'heard') this.#hear(this.#speech, nowMs)
    // What is held was there before it could move: the client took its time, not the gateway.
    const pauseMs = this.#heldBytes > 0 ? 0 : nowMs - this.#movedMs
    this.#movedMs = nowMs
    if (this.#asked) {
      this.#asked = false
      this.#turns++
      this.#gatewayMs += pauseMs
    } else if (pauseMs < longestPauseMs) this.#gatewayMs += pauseMs
    add(row, this.#cells + listenerField.bytesDown, count)
    add(row, endpointCell(slot) + endpointField.bytesDown, count)
  }

  /** The first byte from the endpoint. Where it speaks first, it was waited for since it was connected. */
  #hear(speech: Exclude<Speech, { readonly kind: 'heard' }>, nowMs: number): void {
    const { row, waiting } = this.#context
    const { slot } = this.endpoint
    this.#speech = heard
    const waitedMs = waiting.heard(slot, speech.kind === 'asked' ? speech : null)
    this.#firstByteMs = waitedMs < 0 ? nowMs - this.sinceMs : waitedMs
    observeOf(row, slot, poolHistograms.firstByte, this.#firstByteMs / 1000)
    if (this.#written !== -1) this.#context.pairs.rows.heard(this.#written, this.#firstByteMs)
  }

  lasting(sockets: RelaySockets): void {
    if (this.#owner.lasting(sockets)) this.#written = sockets.downstream
  }

  /** What is written down of it is not so any more. */
  #strike(): void {
    if (this.#written === -1) return
    this.#context.pairs.rows.clear(this.#written)
    this.#written = -1
  }

  closing(relay: Relay, clean: boolean): void {
    this.#strike()
    const { row, plane } = this.#context
    const { bytesUp, bytesDown } = relay.counts()
    const nowMs = plane.now()
    if (!isWorthALook(nowMs - this.sinceMs, bytesUp + bytesDown, clean)) return
    if (this.#asked) this.#gatewayMs += nowMs - this.#movedMs
    this.#looked = relay.tcp()
    const rttMs = this.#looked.client?.rttMs ?? 0
    if (rttMs > 0) observeOf(row, this.endpoint.slot, poolHistograms.clientRtt, rttMs / 1000)
  }

  /** From the client's first byte to the endpoint's; null: none came. */
  get firstByteMs(): number | null {
    return this.#firstByteMs < 0 ? null : this.#firstByteMs
  }

  /** What its end was like for those who want to know who was slow; null: it was short and clean. */
  get look(): Look | null {
    const tcp = this.#looked
    return tcp === null ? null : lookOf({ tcp, gatewayMs: this.#gatewayMs, turns: this.#turns })
  }

  buffered(delta: number): void {
    this.#heldBytes += delta
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
    if (end.kind === 'reset' && end.side === 'upstream') add(row, cells + endpointField.resets, 1)
    if (this.warm && wasLost(end)) add(row, staleCell(slot, 'used'), 1)
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
    else if (!this.warm && wasCutOff(end)) signs({ kind: 'cut-off', slot, served: tally.sum(served) })
  }
}
