import type { SocketAddress } from './address.ts'

/**
 * What a worker knows of the world: immutable, published by main as one message, replaced by one assignment, read once
 * by a session at accept. Plain data, so that it survives a structured clone.
 */
export interface Snapshot {
  /** Grows by one with each publication. */
  readonly version: number
  readonly listeners: readonly ListenerSnapshot[]
  readonly pools: readonly PoolSnapshot[]
  readonly timeouts: {
    readonly idleMs: number
    readonly halfCloseMs: number
    readonly stallMs: number
    readonly unackedMs: number
    readonly keepalive: { readonly idleMs: number; readonly intervalMs: number; readonly count: number }
  }
  /** Connections of the whole program. */
  readonly maxConnections: number
  /** Which Outcomes main wants to be told of. */
  readonly access: 'all' | 'errors' | 'none'
}

export interface ListenerSnapshot {
  readonly name: string
  /** As configured, `[::]:443`: what a listening socket is known by, whatever the listener is called. */
  readonly address: string
  /** Index into the shared rows. */
  readonly slot: number
  readonly pool: string
  readonly maxConnections: number | null
}

export interface PoolSnapshot {
  readonly name: string
  readonly balance: 'p2c' | 'round-robin' | 'least-connections' | 'source-hash'
  /** Sorted by priority, then by id, so that all workers and all nodes see one order. */
  readonly endpoints: readonly EndpointSnapshot[]
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
  readonly proxyProtocol: 'off' | 'v1' | 'v2'
  /** While probes call every endpoint down, all are tried; false: clients wait. */
  readonly panic: boolean
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
/** `10.0.0.5:9443`: the endpoint's identity in hashes, metrics and logs. */
export type EndpointId = string & { readonly [endpointId]: true }

export interface EndpointSnapshot {
  readonly id: EndpointId
  /** Index into the shared rows and into the health words. */
  readonly slot: number
  readonly address: SocketAddress
  /** 0 is used first. */
  readonly priority: number
  /** At least 1. */
  readonly weight: number
  readonly maxConnections: number | null
}
