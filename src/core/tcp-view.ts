/** What the kernel knows of a TCP connection at one moment, from TCP_INFO and two counts of its queues. */
export interface TcpView {
  /** Smoothed round trip to the peer, and the shortest of the last minutes. */
  readonly rttMs: number
  readonly minRttMs: number
  /** Segments that were sent again. */
  readonly retransmits: number
  /** Segments of the peer that came out of order: what can be seen here of what it had to send again. */
  readonly outOfOrder: number
  /** Bytes a second that the peer has acknowledged, as last measured while there was something to send. */
  readonly deliveryRate: number
  /** Time in which there was something for the peer that it had not acknowledged. */
  readonly busyMs: number
  /** The part of it in which the peer's window had no room: its program did not read. */
  readonly peerWindowMs: number
  /** The part of it in which our own send buffer was the limit. */
  readonly sendBufferMs: number
  /** Sent or about to be, and not acknowledged. */
  readonly unacknowledgedBytes: number
  /** Received and not yet read by us. */
  readonly unreadBytes: number
  /** Since the peer last sent data, and since data was last sent to it; null: never. */
  readonly heardMs: number | null
  readonly toldMs: number | null
  /** Times that the oldest data was sent again, or a closed window was asked, without any answer. */
  readonly unanswered: number
}

/** Both connections of a relay; null: the kernel cannot be asked, or the socket is gone. */
export interface TcpPair {
  readonly client: TcpView | null
  readonly endpoint: TcpView | null
}
