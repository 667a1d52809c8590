declare module 'autocannon' {
  import type { EventEmitter } from 'node:events'

  /** What is used of autocannon 9, which has no types of its own. */
  interface Options {
    url: string
    connections: number
    /** Seconds. */
    duration: number
    /** Milliseconds between samples; a run ends with one. */
    sampleInt: number
    /** Requests after which a client connects again. */
    reconnectRate?: number
    setupClient?: (client: EventEmitter) => void
  }
  interface Result {
    errors: number
    timeouts: number
    non2xx: number
    requests: { total: number; sent: number }
    /** Seconds. */
    duration: number
  }
  interface Autocannon {
    (options: Options, done: (error: Error | null, result: Result) => void): EventEmitter
    /** The tables as text. */
    printResult(result: Result): string
  }
  const autocannon: Autocannon
  export default autocannon
}
