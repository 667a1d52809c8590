import { IPPROTO_TCP, TCP_QUICKACK } from '../../linux/constants.ts'
import type { Fd } from '../../linux/fd.ts'
import type { Libc } from '../../linux/libc.ts'
import type { Cancel } from '../plane.ts'
import type { Poller } from './poller.ts'

/**
 * Values of TCP_QUICKACK, as the kernel reads them (tcp_sock_set_quickack() in net/ipv4/tcp.c). Delayed: ACKs
 * wait for data to ride on, set before connect() the handshake's too (tcp_rcv_synsent_state_process()). Once:
 * an even number above zero sends the ACK that is pending and stays delayed. Normal: an odd one sends it, and
 * from then on the kernel acknowledges as it does for any socket: at once in the beginning and after a pause,
 * later as the traffic tells (tcp_event_data_recv()).
 */
const quickAck = { delayed: 0, once: 2, normal: 1 } as const

/**
 * How long the handshake's ACK waits for the client's first bytes: a server that speaks first waits for it.
 */
const rideMs = 4
/** Bytes that come later are a reaction to a client that says nothing (a timeout), not a greeting. */
const greetingMs = 1_000

/** What the servers of a group have shown. */
export interface Habits {
  /** One has sent bytes to a client that had sent none: nothing of theirs may wait for the client's. */
  greet: boolean
}

/** normal: as for any socket. delayed: ACKs wait, and nothing was received yet. */
export type AckState = 'normal' | 'delayed'

/** The part of a wire that this policy uses. */
export interface Acknowledging {
  readonly fd: Fd
  /** Bytes were sent on it. */
  readonly sent: boolean
  /** Nothing more will come. */
  readonly finArrived: boolean
  /** Written by Acks alone, as the next two. */
  acks: AckState
  habits: Habits | null
  connectedMs: number
}

/**
 * When endpoints get our ACKs. The one of the handshake rides on the client's first bytes, one segment less
 * (1.2 to 2 µs); where none come within `rideMs` it goes alone, and where servers are known to greet it never
 * waits. Delayed ACKs are wrong as soon as the endpoint answers in more than one small write: its Nagle's
 * algorithm waits for our ACK, and that for its timer of 40 ms. So an answer that has not ended with the
 * batch in which it began brings the normal way back.
 */
export class Acks {
  readonly #libc: Libc
  readonly #poller: Poller
  readonly #now: () => number
  readonly #after: (ms: number, fire: () => void) => Cancel
  readonly #habits = new Map<string, Habits>()
  /** In the order in which they connected. */
  #riding: Acknowledging[] = []
  #timer = false
  #answering: Acknowledging[] = []

  constructor(
    libc: Libc,
    poller: Poller,
    now: () => number,
    after: (ms: number, fire: () => void) => Cancel,
  ) {
    this.#libc = libc
    this.#poller = poller
    this.#now = now
    this.#after = after
  }

  /**
   * Call before connect(). Only for a connection that a client waits for: until its ACK has come the endpoint
   * has not accepted it, and does not see it at all if it stops listening meanwhile.
   */
  dials(wire: Acknowledging, group: string): void {
    let habits = this.#habits.get(group)
    if (habits === undefined) {
      habits = { greet: false }
      this.#habits.set(group, habits)
    }
    if (habits.greet) return
    wire.acks = 'delayed'
    wire.habits = habits
    this.#set(wire, quickAck.delayed)
  }

  connected(wire: Acknowledging): void {
    if (wire.acks === 'normal') return
    wire.connectedMs = this.#now()
    this.#riding.push(wire)
    if (this.#timer) return
    this.#timer = true
    this.#after(rideMs, this.#overdue)
  }

  /** The first bytes came from a wire with delayed ACKs, and there may be more. */
  answered(wire: Acknowledging): void {
    wire.acks = 'normal'
    const { habits } = wire
    if (!wire.sent && habits !== null && this.#now() - wire.connectedMs < greetingMs) habits.greet = true
    if (this.#answering.push(wire) === 1) this.#poller.later(this.#acknowledge)
  }

  /** It is let go: no ACK of it is held back any more. */
  settle(wire: Acknowledging): void {
    if (wire.acks === 'normal') return
    wire.acks = 'normal'
    this.#set(wire, quickAck.normal)
  }

  readonly #overdue = (): void => {
    const nowMs = this.#now()
    const riding = this.#riding
    let due = 0
    for (; due < riding.length; due++) {
      const wire = riding[due]
      if (wire === undefined || nowMs - wire.connectedMs < rideMs) break
      if (wire.acks === 'delayed' && !wire.sent && wire.fd.n !== -1) this.#set(wire, quickAck.once)
    }
    this.#riding = riding.slice(due)
    this.#timer = this.#riding.length > 0
    if (this.#timer) this.#after(rideMs, this.#overdue)
  }

  readonly #acknowledge = (): void => {
    const answering = this.#answering
    this.#answering = []
    for (const wire of answering) if (wire.fd.n !== -1 && !wire.finArrived) this.#set(wire, quickAck.normal)
  }

  #set({ fd }: Acknowledging, value: number): void {
    this.#libc.setOption(fd, IPPROTO_TCP, TCP_QUICKACK, value)
  }
}
