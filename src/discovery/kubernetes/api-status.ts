import type { Received } from './received.ts'

/** meta/v1 Status: how the API server says no, as the body of an answer or as an event of a watch. */
export interface ApiStatus {
  /** As in HTTP. */
  readonly code: number
  readonly message: string
  /** How long to stay away at least; null: it does not say. */
  readonly retryAfterMs: number | null
  /** The version that we asked for is one that the server has not seen yet. */
  readonly ahead: boolean
}

/** Throws ShapeError. */
export function readStatus(status: Received): ApiStatus {
  const details = status.get('details')
  const seconds = details.get('retryAfterSeconds').integerOr(null)
  const causes = details.get('causes').list()
  return {
    code: status.get('code').integerOr(500),
    message: status.get('message').textOr('') || status.get('reason').textOr('no reason given'),
    retryAfterMs: seconds === null ? null : seconds * 1000,
    ahead: causes.some((cause) => cause.get('reason').textOr('') === 'ResourceVersionTooLarge'),
  }
}
