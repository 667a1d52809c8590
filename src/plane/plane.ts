import type { BoundSocket } from 'node:net'
import type { EndpointAddress, SocketAddress } from '../core/address.ts'
import type { MovedSession } from '../core/moved.ts'
import type { Closed } from '../core/outcome.ts'
import type { PairRow } from '../core/pair-rows.ts'
import type { Timeouts } from '../core/snapshot.ts'
import type { TcpPair } from '../core/tcp-view.ts'

/** How bytes move. A plane never decides anything, and policy never looks behind this interface. */
export interface Plane<W extends Wire> {
  /**
   * Starts accepting from a socket that is already bound. Every accepted connection is handed over, never
   * filtered; `refused` is told when one had to be cut off because this host had no descriptor or no memory
   * for it, where the plane learns of that.
   */
  listen(listening: ListenSpec, accept: (downstream: W) => void, refused: () => void): Listening
  /**
   * Connects. Sends nothing, so every failure may be retried on another endpoint. `done` is called exactly
   * once, never before dial() returned. Cancelling closes the half-made socket, and `done` is not called any
   * more. EAGAIN of a UNIX socket: its backlog is full.
   */
  dial(address: EndpointAddress, options: DialOptions, done: (result: Dialed<W>) => void): Cancel
  /**
   * Sends `header` in one write with whatever the client has already sent (never waits for it), then copies
   * both ways until both directions have ended, and closes both sockets. Takes both wires over.
   */
  relay(downstream: W, upstream: W, options: RelayOptions): Relay
  /**
   * The two wires of a relay that another process or thread has detached; nothing is told of them until
   * relay() gets them, with the same object as its `past`. The descriptors are this plane's from now on.
   * null: this plane cannot.
   */
  readonly adopt: ((detached: Detached) => AdoptedWires<W>) | null
  /** The only clock that session/ may use: a plane may block its thread where libuv's timers are late. */
  after(ms: number, fire: () => void): Cancel
  /** Monotonic milliseconds, the time base of idleMs(). */
  now(): number
  /**
   * `hasRoom` of a ListenSpec is asked before each accept; false: whoever has a limit finds more accepted
   * than it has room for.
   */
  readonly asksForRoom: boolean
  /**
   * What main writes to after it has sent a message to this plane's thread; null: a message wakes it by
   * itself.
   */
  readonly wakeDescriptor: number | null
  /** Lets the thread end: nothing moves any more. */
  close(): void
}

/** Stops what was begun; calling it late or twice does nothing. */
export type Cancel = () => void

export interface ListenSpec {
  /** A bound TCP socket, as a descriptor or as Node's object; it belongs to the plane from now on. */
  readonly socket: number | BoundSocket
  readonly backlog: number
  /**
   * False: accept none now. Then pause() was called, and resume() will be when there is room. Only if
   * `asksForRoom`.
   */
  readonly hasRoom: () => boolean
}

export interface Listening {
  /**
   * Stops accepting and closes this plane's descriptor; `closed` is called when it has. `empty` accepts what
   * waits in the queue first, a backlog's worth at most, because what is left there is reset; `leave` leaves
   * it to another process that holds the socket too. Connections live on.
   */
  close(queue: 'empty' | 'leave', closed?: () => void): void
  /**
   * Leaves connections in the kernel's backlog until resume(). Does nothing on a plane that does not ask for
   * room.
   */
  pause(): void
  resume(): void
}

export interface DialOptions {
  /** The local address to connect from, of the same family; null: the kernel chooses. */
  readonly source: SocketAddress | null
  /** Endpoints of one group (a pool) behave alike: what one has shown, a plane may expect of the others. */
  readonly group: string
  /** A client waits, whose bytes may be sent at once. False: for later, or only to see who is there. */
  readonly forClient: boolean
}

export type Dialed<W> =
  | { readonly kind: 'connected'; readonly wire: W }
  /** `code` is an errno name such as ECONNREFUSED. */
  | { readonly kind: 'failed'; readonly code: string }

export interface RelayOptions {
  /** Bytes for upstream ahead of the client's (a PROXY header); null: none. */
  readonly header: Uint8Array | null
  readonly timeouts: RelayTimeouts
  readonly owner: RelayOwner
  /** Of a relay that goes on from here; its wires come from adopt(). null: it begins. */
  readonly past: Detached | null
}

/**
 * A relay on its way to another process or thread: its sockets, what it holds of their bytes, and its facts.
 */
export type Detached = Omit<MovedSession, 'facts'>

export interface AdoptedWires<W> {
  readonly downstream: W
  readonly upstream: W
}

/** Shared by many relays; milliseconds. */
export type RelayTimeouts = Omit<Timeouts, 'sessionMs'>

/**
 * Whose relay it is. Told of every relayed chunk, which must be cheap. An object: a closure would live as
 * long as the relay.
 */
export interface RelayOwner {
  /** `count` bytes from the client were handed to the kernel for the endpoint; the header does not count. */
  up(count: number, nowMs: number): void
  down(count: number, nowMs: number): void
  /** Bytes held in user space or in pipes changed by `delta`; the sum is zero when the relay has ended. */
  buffered(delta: number): void
  /** The endpoint's FIN was read, at most once: all that it had to say is known. */
  upstreamEnded(): void
  /**
   * At most once, never before relay() returned: it has lasted for a sweep, or goes on from elsewhere. Not on
   * a plane whose sockets nobody else can go on with.
   */
  lasting(sockets: RelaySockets): void
  /**
   * At most once, while both sockets are there to be asked about, maybe before relay() has returned; `clean`
   * when both sides have ended with FIN. What `relay` tells now is how it was at its end.
   */
  closing(relay: Relay, clean: boolean): void
  /** Exactly once, after both sockets are closed, never before relay() returned. */
  ended(end: RelayEnd): void
}

/** A relay's sockets, for whoever has to know them when this thread is dead. */
export type RelaySockets = Pick<
  PairRow,
  'upstream' | 'cookies' | 'places' | 'headerBytes' | 'prefaceBytes'
> & {
  readonly downstream: number
}

/** How a relay ended. */
export interface RelayEnd {
  readonly bytesUp: number
  readonly bytesDown: number
  /** What happened first; `timeout` names the side that was silent or did not read. */
  readonly closed: Closed
  /**
   * clean: both sides ended with FIN. reset: a side sent RST. idle, half-close, stall: our timeouts. finished
   * and killed: by our own hand. fault: a system call failed for a reason of our own.
   */
  readonly kind: 'clean' | 'reset' | 'idle' | 'half-close' | 'stall' | 'finished' | 'killed' | 'fault'
  /** The side whose reset or silence ended it; null where there is none. */
  readonly side: 'downstream' | 'upstream' | null
  /** One side had sent FIN when the end came. */
  readonly halfClosed: boolean
  /** errno name of a reset or fault. */
  readonly code: string | null
}

/** What peek() shows at most: more than that nobody has to say before it is known where it goes. */
export const maxPeekBytes = 16 * 1024

/** One connected socket. The session owns it until it hands it to relay(), closes or resets it. */
export interface Wire {
  /** v4-mapped addresses are IPv4 here. Of a connection to a UNIX socket, no address: 0.0.0.0:0. */
  readonly remote: SocketAddress
  readonly local: SocketAddress
  /**
   * Calls back once, when there are `least` bytes (1 to maxPeekBytes), or at the peer's end with what there
   * is. Consumes none. Shows at least the first maxPeekBytes of what has come; `bytes` is good until `done`
   * returns. Not before peek() has returned, and never after a reset, of which onReset() tells. A later call
   * takes the place of an earlier one.
   */
  peek(least: number, done: (bytes: Uint8Array, ended: boolean) => void): Cancel
  /** Drops `count` bytes that peek() has shown: the next one, and the relay, begin behind them. */
  discard(count: number): void
  /** Fires at most once, when the peer resets. A FIN does not count: it is a half-close. */
  onReset(fire: () => void): Cancel
  /** Nothing was received, and the peer has neither ended nor reset, as far as this host knows now. */
  untouched(): boolean
  /** FIN. */
  close(): void
  /** RST. */
  reset(): void
}

/** A running relay: what drain and the admin need. */
export interface Relay {
  /** Time since the last byte moved in either direction. */
  idleMs(nowMs: number): number
  /**
   * FIN to both; what was read already is still delivered. The end comes when both peers have closed, or by
   * kill().
   */
  finish(): void
  /** RST to both, at once. */
  kill(): void
  /** What it has moved so far, and what it holds. */
  counts(): RelayCounts
  /**
   * From now on both peers see a reset, and not an end as if all were said, should this process be killed.
   * Where the plane cannot do that, nothing.
   */
  guard(): void
  /**
   * Lets the connection go, so that another process or thread can go on with it: nothing is sent or read any
   * more, its owner hears nothing more, and its descriptors are the caller's. null: it goes on here, because
   * it is about to end, or because this plane cannot. Never within a call to its owner.
   */
  detach(): Detached | null
  /** Asks the kernel about both connections: a handful of system calls. */
  tcp(): TcpPair
}

export interface RelayCounts extends Pick<RelayEnd, 'bytesUp' | 'bytesDown' | 'halfClosed'> {
  /** Bytes that the kernel has not taken yet: for the endpoint, for the client. */
  readonly heldUp: number
  readonly heldDown: number
}
