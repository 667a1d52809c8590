/**
 * Which side of the program an error comes from, as with a connection: that of the clients, that of the
 * endpoints (what names, finds and probes them included), or this program and its host.
 */
export type Side = 'downstream' | 'upstream' | 'internal'

/**
 * The stable codes of our own, beside errno names such as EADDRINUSE: logs and scripts may depend on them.
 * docs/observe.md explains each, and a test compares the two.
 */
export const errorCodes = [
  'ERR_ADMIN_FOLDER',
  'ERR_API_CLOSED',
  'ERR_API_SCHEME',
  'ERR_API_SILENT',
  'ERR_CERTIFICATE',
  'ERR_CONFIG_HOST',
  'ERR_CREDENTIALS',
  'ERR_SHAPE',
  'ERR_WORKERS_FAILED',
] as const
export type ErrorCode = (typeof errorCodes)[number]

/** An errno name, such as EADDRINUSE. */
export type Errno = `E${string}`

/**
 * An error that is expected and leaves the module it was made in. The message names the thing, what was
 * expected and what was received; `cause` is the error below it, if there is one. Faults of the program
 * itself are plain errors: they have no code, and the log shows their stack.
 */
export class CodedError extends Error {
  readonly code: ErrorCode | Errno
  readonly side: Side

  constructor(code: ErrorCode | Errno, side: Side, message: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause })
    this.code = code
    this.side = side
  }
}

/** The errno name of a system's error; EIO when it has none. */
export function errnoOf(error: unknown): Errno {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' && isErrno(code) ? code : 'EIO'
}

function isErrno(code: string): code is Errno {
  return /^E[A-Z0-9]+$/.test(code)
}
