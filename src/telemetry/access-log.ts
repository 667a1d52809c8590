import { pino } from 'pino'
import type { Outcome } from '../core/outcome.ts'
import { lineOptions } from './log.ts'
import { readable } from './readable.ts'
import { openSink, type Sink } from './sink.ts'

/** One line for each connection that ended. Never blocks: it drops lines and counts them. */
export interface AccessLog {
  write(outcomes: readonly Outcome[]): void
  /** Lines dropped since the start; of a shared sink, those of the program's log included. */
  dropped(): number
  /** Blocks until what is kept is written, at most a quarter of a second. */
  flush(): void
  /** Flushes; closes the sink unless it was given. */
  close(): void
}

export interface AccessLogOptions {
  /**
   * A descriptor, a file, or the sink of the program's log: two writers on one pipe need one sink, because a pipe that
   * is nearly full takes half a line from one of them and then a line from the other.
   */
  readonly destination: number | string | Sink
  /** Ignored with a sink, which has its own. */
  readonly maxBufferedBytes: number
}

/** Handed to the sink at once: a quarter of a pipe, so that a slow reader costs few lines when one does not fit. */
const batchChars = 16 * 1024

export function createAccessLog(options: AccessLogOptions): AccessLog {
  const { destination, maxBufferedBytes } = options
  const shared = typeof destination === 'object'
  const sink = shared ? destination : openSink({ destination, maxBufferedBytes })
  const format = sink.terminal ? readable : (line: string) => line
  const batch = { text: '', lines: 0 }
  const log = pino(lineOptions, {
    write(line) {
      batch.text += format(line)
      batch.lines += 1
    },
  })
  const handOver = () => {
    if (batch.lines > 0) sink.write(batch.text, batch.lines)
    batch.text = ''
    batch.lines = 0
  }
  return {
    write(outcomes) {
      for (const outcome of outcomes) {
        log.info(record(outcome))
        if (batch.text.length >= batchChars) handOver()
      }
      handOver()
    },
    dropped: () => sink.dropped(),
    flush: () => sink.flushSync(),
    close: () => (shared ? sink.flushSync() : sink.close()),
  }
}

/** The stable fields in their stable order. */
function record(outcome: Outcome) {
  return {
    msg: 'connection', // tells these lines from the program's own
    id: outcome.id,
    listener: outcome.listener,
    client: outcome.client,
    endpoint: outcome.endpoint,
    attempts: outcome.attempts.map(({ endpoint, ms, error }) => ({ endpoint, ms: rounded(ms), error })),
    connectMs: outcome.connectMs === null ? null : rounded(outcome.connectMs),
    durationMs: rounded(outcome.durationMs),
    bytesUp: outcome.bytesUp,
    bytesDown: outcome.bytesDown,
    cause: outcome.cause,
    phase: outcome.phase,
    closed: { first: outcome.closed.first, how: outcome.closed.how },
  }
}

/** Microseconds are all that the clock is good for. */
function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000
}
