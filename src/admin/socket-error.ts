import { CodedError, type Errno, type ErrorCode } from '../core/coded-error.ts'

/** The admin socket, or its folder, cannot be had; the message says why and how to name another place. */
export class AdminSocketError extends CodedError {
  constructor(code: ErrorCode | Errno, what: string, cause?: unknown) {
    super(code, 'internal', `${what}; name another one with "admin: { socket: PATH }"`, cause)
  }
}
