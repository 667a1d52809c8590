/** The listening sockets of one address, as a process holds them. */
export interface HeldSockets {
  /** As ListenerSnapshot.address: the configured address, by which a listener finds its sockets. */
  readonly key: string
  /** As bound. */
  readonly address: { readonly host: string; readonly port: number }
  /** Each has an accept queue of its own, which somebody must serve. Empty: they cannot be duplicated. */
  readonly descriptors: readonly number[]
  /**
   * Another process holds them too, and serves their queues when this one does not: systemd, or a successor.
   */
  readonly shared: boolean
}

/**
 * Sockets that this process did not bind: another one handed them over, or systemd. Whoever gets them calls
 * close().
 */
export interface InheritedSockets extends HeldSockets {
  close(): void
}
