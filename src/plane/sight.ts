/**
 * What the kernel knows of a connected socket that neither reads nor writes tell. Each look is a system call, so a plane asks
 * only when a deadline is due or a reset waits. Every answer is zero or more, or negative when there is none.
 */
export interface Sight {
  /** Bytes that were written and that the peer has not acknowledged, sent or not; a FIN counts as one (SIOCOUTQ). */
  unacknowledged(descriptor: number): number
}
