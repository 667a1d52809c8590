import { fstatSync } from 'node:fs'

/** syslog(3). Words of the log's levels. */
const priorities: Readonly<Record<string, number>> = { error: 3, warn: 4, info: 6, debug: 7 }

/**
 * Whether a descriptor leads to the journal. `stream` is $JOURNAL_STREAM, the device and inode of what
 * systemd connected: a shell in between may have put something else in that place (systemd.exec(5)).
 */
export function isJournal(descriptor: number, stream: string | undefined): boolean {
  if (stream === undefined || stream === '') return false
  try {
    const { dev, ino } = fstatSync(descriptor)
    return stream === `${dev}:${ino}`
  } catch {
    return false // closed
  }
}

/**
 * JSON lines with their level as the journal reads it, `<4>{"level":"warn"`: `journalctl -p warning` finds
 * them.
 */
export function withPriorities(lines: string): string {
  return lines.replace(
    /^\{"level":"(\w+)"/gm,
    (begin, level: string) => `<${priorities[level] ?? 6}>${begin}`,
  )
}

/** What is said on standard error of a failure, for `journalctl -p err` where that is the journal. */
export function failureText(text: string, stream: string | undefined): string {
  return isJournal(2, stream) ? text.replace(/^(?=.)/gm, `<${priorities.error}>`) : text
}
