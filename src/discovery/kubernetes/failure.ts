import { CodedError } from '../../core/coded-error.ts'
import { errorText } from '../../core/wording.ts'
import type { ApiStatus } from './api-status.ts'
import { CredentialsError } from './cluster.ts'
import { CertificateError, deepest, SchemeError } from './connect-error.ts'
import { ShapeError } from './received.ts'

export const failureKinds = [
  /** No connection, no TLS, or it was lost. */
  'connection',
  /** The server's certificate is not one to trust. */
  'certificate',
  /** No answer in time. */
  'timeout',
  /** Where the server is, or who we are, cannot be read. */
  'credentials',
  'unauthorized',
  /** Missing rights, or a server that has just started and does not know them yet. */
  'forbidden',
  'throttled',
  /** Any other status. */
  'refused',
  /** The version to watch from is too old: happens after each restart of the server. */
  'expired',
  /**
   * The version is one that the server has not seen: etcd was restored, or another cluster has its address.
   */
  'ahead',
  /** A watch without a word for too long. */
  'stalled',
  /** A watch that ended as soon as it began. */
  'short-watch',
  /** Not what the API promises. */
  'malformed',
] as const

export type FailureKind = (typeof failureKinds)[number]

/**
 * Failures that say nothing about whether the server would serve us: it may be away, or the request was never
 * sent.
 */
const unanswered: ReadonlySet<FailureKind> = new Set(['connection', 'timeout', 'credentials'])

export function isAnswered({ kind }: Failure): boolean {
  return !unanswered.has(kind)
}

/** Why a list or a watch failed. */
export interface Failure {
  readonly kind: FailureKind
  readonly message: string
  /** The server asks to stay away for so long; null: it does not. */
  readonly retryAfterMs: number | null
}

export function failure(kind: FailureKind, message: string, retryAfterMs: number | null = null): Failure {
  return { kind, message, retryAfterMs }
}

/** The reason with which a request is aborted when its answer does not come in time. */
export class Impatience extends CodedError {
  readonly failure: Failure

  constructor(failure: Failure) {
    super('ERR_API_SILENT', 'upstream', failure.message)
    this.failure = failure
  }
}

export function failureOfError(error: unknown): Failure {
  if (error instanceof Impatience) return error.failure
  if (error instanceof ShapeError) return failure('malformed', error.message)
  if (error instanceof CredentialsError) return failure('credentials', error.message)
  if (error instanceof CertificateError) return failure('certificate', error.message)
  if (error instanceof SchemeError) return failure('connection', error.message)
  return failure('connection', errorText(deepest(error)))
}

const kinds: Readonly<Record<number, FailureKind>> = {
  401: 'unauthorized',
  403: 'forbidden',
  410: 'expired',
  429: 'throttled',
}

/** `retryAfterMs`: what the header says; the body may say so as well. */
export function failureOfStatus(status: ApiStatus, retryAfterMs: number | null = null): Failure {
  const kind = status.ahead ? 'ahead' : (kinds[status.code] ?? 'refused')
  return failure(kind, `status ${status.code}: ${status.message}`, retryAfterMs ?? status.retryAfterMs)
}
