import type { Status } from '../core/status.ts'

/** What the admin pages show. */
export interface AdminSource {
  /** The main loop runs (or nobody would ask) and every worker shows signs of life. */
  live(): Verdict
  /** Listeners bound, workers alive, not draining, one usable endpoint in each required pool. */
  ready(): Verdict
  status(): Status
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>
}

/** What the admin socket can change. None rejects for an expected reason: that is `ok: false` and a message. */
export interface AdminActions {
  /** The message of a failure is the rendered list of problems. */
  reload(): Promise<Answer>
  drain(): Answer
  /** Not ok: there is no such pool or endpoint. */
  endpoint(pool: string, endpoint: string, action: EndpointAction): Answer
}

export type EndpointAction = 'drain' | 'ready'

export interface Verdict {
  readonly ok: boolean
  /** One line each; empty when ok. */
  readonly reasons: readonly string[]
}

export interface Answer {
  readonly ok: boolean
  readonly message: string
}
