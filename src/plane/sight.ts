import type { TcpView } from '../core/tcp-view.ts'

/**
 * What the kernel knows about a connected TCP socket that reads and writes do not show. Each look is a system
 * call, so a plane asks only when a deadline is due or a reset waits. A UNIX socket has no TcpSight, and what
 * its peer has not read yet counts as unacknowledged.
 */
export interface Sight {
  /**
   * Bytes that were written and that the peer has not acknowledged, sent or not; a FIN counts as one
   * (SIOCOUTQ). Negative: no answer.
   */
  unacknowledged(descriptor: number): number
  /** null: no answer. Valid until the next call. */
  tcp(descriptor: number): TcpSight | null
  /** All that there is to know, for people; null: no answer. */
  view(descriptor: number): TcpView | null
}

/** Of TCP_INFO. */
export interface TcpSight {
  /**
   * Since data was last sent, for the first time or again; very long when there was none. Probes and bare
   * ACKs do not count.
   */
  readonly lastSentMs: number
  /** Since the peer last acknowledged anything, an answer to a probe or to keepalive included. */
  readonly lastAckMs: number
  /** Times that the oldest data was sent again, or a closed window was asked, without any answer. */
  readonly unanswered: number
}
