import type { Cidr } from './cidr.ts'
import type { Outcome, Phase } from './outcome.ts'
import type { TcpPair } from './tcp-view.ts'
import type { Wait } from './wait.ts'

/** A connection under way, as `spliceway connections` shows it. */
export interface Connection {
  readonly id: string
  readonly listener: string
  /** `203.0.113.7:51234` */
  readonly client: string
  /** null: it is not known yet where it goes. */
  readonly pool: string | null
  /** null: none is reached so far. */
  readonly endpoint: string | null
  /** Since accept. */
  readonly ageMs: number
  /** Since a byte moved in either direction; since accept while no endpoint is reached. */
  readonly idleMs: number
  /** Client to endpoint. */
  readonly bytesUp: number
  /** Endpoint to client. */
  readonly bytesDown: number
  /** Read from one side and not yet taken by the kernel for the other. */
  readonly heldBytes: number
  /** The access log's word for how far it has come. */
  readonly state: Phase
}

/** Which connections are asked for; all of it has to fit. null: any. */
export interface ConnectionFilter {
  readonly listener: string | null
  readonly pool: string | null
  readonly endpoint: string | null
  readonly client: Cidr | null
  readonly olderMs: number
  readonly idleMs: number
}

/** What `spliceway explain` shows of one. */
export interface Explanation extends Connection {
  /** Of `heldBytes`, those for the endpoint and those for the client. */
  readonly heldUp: number
  readonly heldDown: number
  readonly attempts: Outcome['attempts']
  /** From accept to the connected endpoint; null: none is reached. */
  readonly connectMs: number | null
  readonly waits: Wait
  readonly tcp: TcpPair
}

/**
 * Which connection: the number that its worker has given it, or the id of one that another process began,
 * and that any worker may have.
 */
export type Which = { readonly number: number } | { readonly id: string }

/** What main asks a worker about its connections. */
export type Question =
  /** The next page of a listing, which `filter` begins and null goes on with. */
  | { readonly kind: 'list'; readonly listing: number; readonly filter: ConnectionFilter | null }
  /** Nobody wants the rest of it. */
  | { readonly kind: 'forget'; readonly listing: number }
  | { readonly kind: 'explain'; readonly which: Which }
  | { readonly kind: 'kill'; readonly which: Which }

/** What a worker answers. Text is JSON, made there: an object that crosses to main costs both more. */
export type ConnectionAnswer =
  /** `text`: connections, with commas between them; empty: none of those looked at fits. */
  | { readonly kind: 'page'; readonly text: string; readonly done: boolean }
  | { readonly kind: 'explained'; readonly text: string }
  | { readonly kind: 'killed' }
  /** There is no such connection any more. */
  | { readonly kind: 'none' }
