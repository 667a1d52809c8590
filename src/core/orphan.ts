/** Two sockets whose worker is dead, as it wrote them down. */
export interface Orphan {
  /** Descriptors. */
  readonly downstream: number
  readonly upstream: number
  readonly cookies: { readonly downstream: bigint; readonly upstream: bigint }
  readonly prefaceBytes: number
  readonly headerBytes: number
}

/** What the kernel says of them (linux/whole.ts). */
export type OrphanVerdict =
  /** All that was read of one side was written to the other. */
  | {
      readonly kind: 'whole'
      readonly bytesUp: number
      readonly bytesDown: number
      /** The source has ended, and its FIN was passed on. */
      readonly upEnded: boolean
      readonly downEnded: boolean
      /** Since bytes last came or went; null: none has. */
      readonly idleMs: number | null
    }
  /** Bytes are missing, an end was on its way, nobody can tell, or these are other sockets. */
  | { readonly kind: 'not-whole' }
  /** The kernel counts nothing: UNIX, MPTCP. */
  | { readonly kind: 'no-counters' }
