import type { ConnectionFilter } from '../core/connection.ts'
import type { LogLevel } from '../core/log.ts'

import type { Readiness } from '../core/readiness.ts'
import type { Status } from '../core/status.ts'

export type { Readiness } from '../core/readiness.ts'

/** What the admin pages show. */
export interface AdminSource {
  /** The main loop runs (or nobody would ask) and every worker shows signs of life. */
  live(): Readiness
  /** New connections are welcome: core/readiness.ts. */
  ready(): Readiness
  status(): Status
  config(): ConfigInUse
  /** Names, in lower case, by which the page on TCP may be asked beside addresses and `localhost`. */
  hosts(): readonly string[]
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>
  /** A JSON object in parts. Whoever stops reading ends it. */
  connections(filter: ConnectionFilter): AsyncIterable<string>
  /** JSON; null: there is no such connection. */
  explain(id: string): Promise<string | null>
}

/** What the admin socket can change. Expected failures do not reject: they are `ok: false` with a message. */
export interface AdminActions {
  /** The message of a failure is the rendered list of problems. */
  reload(): Promise<Answer>
  drain(): Answer
  /**
   * The installed version takes the place of this process: lines of JSON, `{"progress": …}` and at the end an
   * Answer, whoever hears them. An Answer at once: it cannot.
   */
  upgrade(): AsyncIterable<string> | Answer
  /** Until a reload, which brings back what the configuration says. */
  logLevel(level: LogLevel): Answer
  /** Not ok: there is no such pool or endpoint. */
  endpoint(pool: string, endpoint: string, action: EndpointAction): Answer
  /** Ends one connection with RST. Not ok: there is none of this id. */
  kill(id: string): Promise<Answer>
}

export type EndpointAction = 'drain' | 'ready'

export interface Answer {
  readonly ok: boolean
  readonly message: string
  /** What somebody should think about although it was done. */
  readonly warning?: string
}

/** The configuration that the program works by. */
export interface ConfigInUse {
  /** `config/edge.yaml`, or `command line`. */
  readonly source: string
  readonly loadedMsAgo: number
  /** As written, with `${NAME}` unexpanded; null: nobody wrote it. */
  readonly text: string | null
  /** What was found since and not taken, and why; null: nothing. */
  readonly refused: { readonly message: string; readonly msAgo: number } | null
}
