/**
 * An open descriptor. It is closed in one place, Libc.close(), which leaves -1 behind: whoever uses it later
 * gets EBADF, never a descriptor that by now is somebody else's.
 */
export class Fd {
  /** -1: closed. */
  n: number

  constructor(n: number) {
    this.n = n
  }
}

/** What a descriptor is that is an end of a pipe. */
export interface PipeEnd {
  readonly reads: boolean
  /** F_GETPIPE_SZ. */
  readonly roomBytes: number
  /** What is in it. */
  readonly bytes: number
}
