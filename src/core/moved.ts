import type { Closed, EndedBy, Outcome } from './outcome.ts'
import type { Timeouts } from './snapshot.ts'

/**
 * What goes along when an established connection changes process, or goes back to its own. Plain data: it
 * crosses threads as it is and processes as JSON. Ages and not times, because another process may have
 * another clock.
 */
export interface MovedSession {
  readonly facts: SessionFacts
  readonly relay: RelayFacts
  /**
   * Downstream, upstream, then the two ends of each pipe that holds something, reading end first, upward
   * before downward. They belong to whoever has this object.
   */
  readonly descriptors: readonly number[]
  /** What is held in memory for the endpoint, and for the client. */
  readonly heldUp: Uint8Array
  readonly heldDown: Uint8Array
}

/** Who had it before: another process, or a worker of this one that died. */
export type AdoptedFrom = 'process' | 'worker'

/** What its session knows of it. */
export interface SessionFacts {
  /** As its first process has made it. */
  readonly id: string
  /** How many times it has changed process. */
  readonly moves: number
  /** How many of its workers have died, and nobody knows of which connection. */
  readonly crashes: number
  readonly listener: string
  readonly pool: string
  readonly endpoint: string
  /** Who the client is; a PROXY header may have said so. */
  readonly client: { readonly ip: string; readonly port: number }
  /** A PROXY header has said that there is a client, and not who. */
  readonly nobody: boolean
  readonly serverName: string | null
  readonly attempts: Outcome['attempts']
  /** Of the dial that connected, where `attempts` has only those that failed; -1: it has all. */
  readonly dialMs: number
  readonly ageMs: number
  /** What it has been promised at its start holds in every process. */
  readonly timeouts: Timeouts
  /** What becomes of it where its endpoint, or its pool, is not known. */
  readonly onRemoval: 'keep' | 'close'
  /** Since it has reached its endpoint. */
  readonly relayedMs: number
  /** Until `timeouts.session` is over; null: it may last for ever. */
  readonly lifeLeftMs: number | null
  /** It was counted for its source. */
  readonly counted: boolean
  readonly warm: boolean
  readonly endedBy: EndedBy
  readonly outlived: boolean
  /** Since the client's first bytes went to an endpoint that has said nothing; null: it is not so. */
  readonly askedMs: number | null
  /** The endpoint has said something. */
  readonly heard: boolean
  /** The endpoint's FIN was read. */
  readonly spent: boolean
  readonly firstByteMs: number
  /** Since bytes last moved; and whether they were the client's. */
  readonly movedMs: number
  readonly asked: boolean
  readonly gatewayMs: number
  readonly turns: number
}

/** What its relay knows of it. */
export interface RelayFacts {
  readonly up: DirectionFacts
  readonly down: DirectionFacts
  readonly downstream: WireFacts
  readonly upstream: WireFacts
  readonly bytesUp: number
  readonly bytesDown: number
  /** Of the header that goes ahead of the client's bytes, and of the one that its peer sent. */
  readonly headerBytes: number
  readonly prefaceBytes: number
  /** Whether the kernel's counters say the same of what is held as the relay does; null: they say nothing. */
  readonly countersAgree: boolean | null
  /** It was told to finish. */
  readonly finishing: boolean
  /** What happened first; null: neither side has ended. */
  readonly first: Closed | null
  /** Since a byte last moved. */
  readonly idleMs: number
  /** For how long what is held for a side has not moved; -1: it does. */
  readonly stuckUpMs: number
  readonly stuckDownMs: number
  /** It has keepalive. */
  readonly keepalive: boolean
}

/** One direction. */
export interface DirectionFacts {
  /** Bytes in the pipe; 0: there is none. */
  readonly pipeBytes: number
  /** How many of the bytes that are held first are those of a header. */
  readonly ours: number
  /** The source's FIN was read. */
  readonly ended: boolean
  /** Nothing more will be sent. */
  readonly over: boolean
  /** What comes is dropped. */
  readonly discard: boolean
  readonly finWanted: boolean
  readonly finSent: boolean
}

/** One socket. */
export interface WireFacts {
  readonly unix: boolean
  readonly sent: boolean
  readonly noDelay: boolean
  /** Bytes until it gets its bound of unsent ones; below zero: it has it. */
  readonly untilBound: number
  readonly finSeen: boolean
  readonly urgent: boolean
}
