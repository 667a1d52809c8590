import { type DestinationStream, type Logger, type LoggerOptions, pino, stdTimeFunctions } from 'pino'
import type { LogLevel } from '../core/log.ts'
import { describeError } from './error.ts'
import { readable } from './readable.ts'
import type { Sink } from './sink.ts'

/**
 * JSON lines: `level` as a word, `time` in ISO 8601, no pid and no host name (whoever collects the lines adds
 * them).
 */
export const lineOptions: LoggerOptions = {
  base: null,
  timestamp: stdTimeFunctions.isoTime,
  formatters: { level: (level) => ({ level }) },
  serializers: { err: describeError },
}

/**
 * The program's log: JSON lines, or readable ones when the sink is a terminal. Never blocks on its reader.
 */
export function createLog(level: LogLevel, sink: Sink): Logger {
  return pino({ ...lineOptions, level }, sink.terminal ? readableLines(sink) : sink)
}

function readableLines(sink: Sink): DestinationStream {
  return { write: (line) => sink.write(readable(line, sink.colours)) }
}
