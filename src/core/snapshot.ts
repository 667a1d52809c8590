import type { EndpointAddress, SocketAddress } from './address.ts'
import type { Admission } from './admission.ts'
import type { AccessLevel, BalanceKind, ProxyProtocol, RefuseBy } from './policy.ts'
import type { Routes } from './route.ts'

/**
 * Everything that a worker knows: immutable, published by main as one message, replaced by one assignment,
 * read once by a session at accept. Plain data, so that it survives a structured clone.
 */
export interface Snapshot {
  /** Grows by one with each publication. */
  readonly version: number
  readonly listeners: readonly ListenerSnapshot[]
  readonly pools: readonly PoolSnapshot[]
  /** Connections of the whole program. */
  readonly maxConnections: number
  /** Which Outcomes main wants to be told of. */
  readonly access: AccessLevel
  /** Whether it is told of connections when they are connected, and of those that carried nothing. */
  readonly logConnect: boolean
  readonly logEmpty: boolean
}

/** When connections end that do not end by themselves. */
export interface Timeouts {
  readonly idleMs: number
  readonly halfCloseMs: number
  readonly stallMs: number
  readonly unackedMs: number
  /** The longest life of a connection, from accept; 0: it may last for ever. */
  readonly sessionMs: number
  readonly keepalive: { readonly idleMs: number; readonly intervalMs: number; readonly count: number }
}

export interface ListenerSnapshot {
  readonly name: string
  /** As configured, `[::]:443`: what a listening socket is known by, whatever the listener is called. */
  readonly address: string
  /** Index into the shared rows. */
  readonly slot: number
  /** What no route takes goes there; null: it is refused. Without routes there is one. */
  readonly pool: string | null
  /** Pools by name; null: nothing is read to find the pool. */
  readonly routes: Routes<string> | null
  readonly maxConnections: number | null
  /** null: everybody may connect, nobody is counted, and no header is read. */
  readonly admission: Admission | null
  /** New connections a second, over all workers; null: any number. */
  readonly perSecond: number | null
  readonly refuse: RefuseBy
  /** How long a PROXY header, and then what routes look at, may take. */
  readonly headerMs: number
  readonly prefaceMs: number
  readonly timeouts: Timeouts
}

export interface PoolSnapshot extends PoolRules {
  readonly name: string
  /** Sorted by priority, then by id, so that all workers and all nodes see one order. */
  readonly endpoints: readonly EndpointSnapshot[]
  readonly proxyProtocol: ProxyProtocol
}

/** What a worker needs of a pool's configuration, as it stands there: the schema is checked against this. */
export interface PoolRules {
  readonly balance: BalanceKind
  readonly connect: {
    readonly timeoutMs: number
    readonly budgetMs: number
    readonly attempts: number
    /** Local addresses, used in turn; none: the kernel chooses. Parsed here, not at each dial. */
    readonly source: readonly SocketAddress[]
    /** With no answer after this long, another endpoint is dialed beside. */
    readonly hedgeAfterMs: number
  }
  /** For connections that find every endpoint at its maxConnections; over all workers. */
  readonly queue: { readonly connections: number; readonly timeoutMs: number }
  /** What becomes of connections to an endpoint that is removed. */
  readonly onRemoval: 'keep' | 'close'
  /** While probes call every endpoint down, all are tried; false: clients wait. */
  readonly panic: boolean
  /** A client's connection begins at the client's own address. */
  readonly transparent: boolean
  /** null: connections are dialed when a client comes. */
  readonly warm: WarmSnapshot | null
}

/** Connections that wait for a client. */
export interface WarmSnapshot {
  /** To each endpoint, over all workers. */
  readonly connections: number
  readonly maxAgeMs: number
}

declare const endpointId: unique symbol
/** `10.0.0.5:9443`, `unix:/run/gateway.sock`: the endpoint's identity in hashes, metrics and logs. */
export type EndpointId = string & { readonly [endpointId]: true }

export interface EndpointSnapshot {
  readonly id: EndpointId
  /** Index into the shared rows and into the health words. */
  readonly slot: number
  readonly address: EndpointAddress
  /** 0 is used first. */
  readonly priority: number
  /** At least 1. */
  readonly weight: number
  readonly maxConnections: number | null
}
