import type { Cancel, RelayEnd, Wire } from '../plane/plane.ts'
import type { Route } from './context.ts'
import type { PoolDial } from './dial.ts'
import type { Preface } from './preface.ts'
import type { Relaying } from './relaying.ts'

/** Where a connection is in its story; what exists only there is a field of it. */
export type State<W extends Wire> =
  /** Not begun. */
  { readonly kind: 'new' } | Preceding<W> | Reaching<W> | Relaying<W> | { readonly kind: 'over' }

/** It is read who the client is, or where it wants to go. */
export interface Preceding<W extends Wire> {
  readonly kind: 'preface'
  readonly preface: Preface<W>
  readonly unwatch: Cancel
}

/** No endpoint is reached. `queued`: it waits in the pool's queue, or there was no room in it. */
export interface Reaching<W extends Wire> {
  readonly kind: 'queued' | 'dialing'
  readonly route: Route
  readonly dial: PoolDial<W>
  /** Ends the watch for a client that resets. */
  readonly unwatch: Cancel
}

export const fresh = { kind: 'new' } as const
export const over = { kind: 'over' } as const
export const phaseOf = { preface: 'preface', queued: 'queue', dialing: 'connect', relaying: 'data' } as const

/** What a RelayEnd says that an Outcome repeats. */
export type End = Pick<RelayEnd, 'bytesUp' | 'bytesDown' | 'closed'>

export const byReset: End = { bytesUp: 0, bytesDown: 0, closed: { first: 'proxy', how: 'rst' } }
export const byKill: End = { bytesUp: 0, bytesDown: 0, closed: { first: 'proxy', how: 'kill' } }
export const byAge: End = { bytesUp: 0, bytesDown: 0, closed: { first: 'proxy', how: 'timeout' } }
export const byClient: End = { bytesUp: 0, bytesDown: 0, closed: { first: 'client', how: 'rst' } }
export const byClientsEnd: End = { bytesUp: 0, bytesDown: 0, closed: { first: 'client', how: 'fin' } }
