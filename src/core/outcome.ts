import type { Look } from './slowness.ts'

/**
 * Why a connection ended. `none`: both sides ended with FIN. `proxy`: a fault of ours, or the end of
 * `timeouts.session`.
 */
export const causes = [
  'none',
  'client',
  'server',
  'proxy',
  'resource',
  'endpoint-down',
  'admin',
  'client-timeout',
  'server-timeout',
] as const
export type Cause = (typeof causes)[number]
/**
 * Why we end a connection ourselves: by the admin's hand or configuration, or because probes call its
 * endpoint down.
 */
export type EndedBy = Extract<Cause, 'admin' | 'endpoint-down'>

/**
 * Causes that an operator should look at: no endpoint was reached, the endpoint failed in use, or this host
 * or program did.
 */
export const failures: ReadonlySet<Cause> = new Set([
  'server',
  'proxy',
  'resource',
  'endpoint-down',
  'server-timeout',
])

/** How far the connection had come when it ended. HAProxy's termination letters, spelled out. */
export const phases = ['preface', 'queue', 'connect', 'data', 'half-closed'] as const
export type Phase = (typeof phases)[number]

/** Which limit of connections is reached: the program's or the listener's own. */
export const limits = ['limit', 'listener-limit'] as const
export type Limit = (typeof limits)[number]

/**
 * Why a connection was refused by the listener's own rules. `denied`: by a list. `per-source`, `rate`: by a
 * limit. `proxy-header`: the header that has to come is none, or another one than the specification wants.
 * `no-route`: no route takes it, and there is no pool for the rest. `preface`: what has to come first took
 * too long, or gave way to others.
 */
export const refusals = ['denied', 'per-source', 'rate', 'proxy-header', 'no-route', 'preface'] as const
export type Refusal = (typeof refusals)[number]

/**
 * Why a connection was turned away. `resource`: this host had no descriptor or no memory for it.
 */
export const rejections = [...limits, 'resource', ...refusals] as const
export type Rejection = (typeof rejections)[number]

/**
 * Why a dial failed. `local`: not the endpoint's fault (descriptors, local ports). `busy`: the backlog of its
 * UNIX socket was full all the time.
 */
export const dialFailures = [
  'refused',
  'timeout',
  'unreachable',
  'reset',
  'ports-exhausted',
  'local',
  'busy',
  'other',
] as const
export type DialFailure = (typeof dialFailures)[number]

/**
 * When it showed that the endpoint had given up a warm connection: while it waited (`waiting`), as a client
 * was about to get it (`taken`), or, too late, when a client already had it (`used`).
 */
export const staleWhens = ['waiting', 'taken', 'used'] as const
export type StaleWhen = (typeof staleWhens)[number]

/** One dial, reported at once when it failed (passive health cannot wait for a session that lasts hours). */
export interface Attempt {
  /** The endpoint's slot and the version that the slot had, so that a late report never hits a successor. */
  readonly slot: number
  readonly ms: number
  /** null: connected. */
  readonly error: AttemptError | null
}

export interface AttemptError {
  readonly reason: DialFailure
  /** errno name or `ETIMEDOUT` for our own timeout. */
  readonly code: string
}

/** Who ended the connection first, and how. */
export interface Closed {
  readonly first: 'client' | 'server' | 'proxy'
  readonly how: 'fin' | 'rst' | 'timeout' | 'kill'
}

/** A connection that has reached its endpoint; fields as in an Outcome. */
export interface Connect extends Pick<Outcome, 'id' | 'listener' | 'client' | 'attempts'> {
  readonly pool: string
  readonly endpoint: string
  readonly connectMs: number
}

/** The end of one connection, told exactly once. The access log prints these fields in this order. */
export interface Outcome {
  readonly id: string
  readonly listener: string
  /** `203.0.113.7:51234`; `unknown` where a PROXY header names nobody. */
  readonly client: string
  /**
   * What the client asked for by name, one character for each byte; null: nothing was read, or it asked for
   * none.
   */
  readonly serverName: string | null
  /** null: it ended before it was known. */
  readonly pool: string | null
  /** null: none was reached. */
  readonly endpoint: string | null
  readonly attempts: readonly {
    readonly endpoint: string
    readonly ms: number
    readonly error: string | null
  }[]
  /** From accept to the connected endpoint; null: none was reached. */
  readonly connectMs: number | null
  readonly durationMs: number
  /** Client to endpoint. */
  readonly bytesUp: number
  /** Endpoint to client. */
  readonly bytesDown: number
  readonly cause: Cause
  readonly phase: Phase
  readonly closed: Closed
  /** From the client's first byte to the endpoint's; null: none came from it. */
  readonly firstByteMs: number | null
  /** null: short, little and clean, or no endpoint was reached. */
  readonly look: Look | null
  /** How many times it has changed process. */
  readonly moves: number
}
