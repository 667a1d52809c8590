/** Where a peer is to listen, and what it forwards to: ports of 127.0.0.1. */
export interface Place {
  readonly folder: string
  readonly port: number
  readonly endpoints: readonly number[]
  /** Grows with each reload: something harmless in the configuration changes with it. */
  readonly revision: number
}

/** How a peer is started, and told. */
export interface Setup {
  /** Written into the folder, by name. */
  readonly files: Readonly<Record<string, string>>
  readonly command: readonly string[]
  /** Of the process that was started: it reads its files again. null: it cannot. */
  readonly reload: NodeJS.Signals | null
  /** Of the same: it ends when its connections have. null: it cannot. */
  readonly stop: NodeJS.Signals | null
}

/** A TCP proxy that the cases are run against. */
export interface Peer {
  readonly name: string
  /** The head of its column. */
  readonly title: string
  /** How many endpoints it can have, as far as the cases care; 0: clients dial the endpoint themselves. */
  readonly mostEndpoints: 0 | 1 | 2
  /** What has to be installed; null: nothing. */
  readonly missing: () => string | null
  /** As it says it itself. */
  readonly version: () => string
  readonly setup: (place: Place) => Setup
}
