import { readable } from './readable.ts'
import { openSink, type Sink } from './sink.ts'

/**
 * One line for each connection that ended (core/access-line.ts). Never blocks: it drops lines and counts
 * them.
 */
export interface AccessLog {
  /** `lines`: `count` whole lines. */
  write(lines: string, count: number): void
  /** Lines dropped since the start; of a shared sink, those of the program's log included. */
  dropped(): number
  /** Blocks until what is kept is written, at most a quarter of a second. */
  flush(): void
  /** Flushes; closes the sink unless it was given. */
  close(): void
}

export interface AccessLogOptions {
  /**
   * A descriptor, a file, or the sink of the program's log: two writers on one pipe need one sink, because a
   * pipe that is nearly full takes half a line from one of them and then a line from the other.
   */
  readonly destination: number | string | Sink
  /** Ignored with a sink, which has its own. */
  readonly maxBufferedBytes: number
}

/**
 * Handed to the sink at once: a quarter of a pipe, so that a slow reader costs few lines when one does not
 * fit.
 */
const batchChars = 16 * 1024

export function createAccessLog(options: AccessLogOptions): AccessLog {
  const { destination, maxBufferedBytes } = options
  const shared = typeof destination === 'object'
  const sink = shared ? destination : openSink({ destination, maxBufferedBytes })
  return {
    write(lines, count) {
      if (sink.terminal)
        sink.write(
          lines
            .split(/(?<=\n)/)
            .map(readable)
            .join(''),
          count,
        )
      else if (lines.length <= batchChars) sink.write(lines, count)
      else for (const part of parts(lines)) sink.write(part.text, part.count)
    },
    dropped: () => sink.dropped(),
    flush: () => sink.flushSync(),
    close: () => (shared ? sink.flushSync() : sink.close()),
  }
}

/** Whole lines, about `batchChars` at a time. */
function* parts(lines: string): Generator<{ readonly text: string; readonly count: number }> {
  let from = 0
  let count = 0
  for (let to = lines.indexOf('\n') + 1; to > 0; to = lines.indexOf('\n', to) + 1) {
    count++
    if (to - from < batchChars && to < lines.length) continue
    yield { text: lines.slice(from, to), count }
    from = to
    count = 0
  }
}
