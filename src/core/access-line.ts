import { failures, type Outcome } from './outcome.ts'

/**
 * Makes the access log's JSON lines: of a connection that ended at `timeMs` (Unix) one line, newline
 * included, with the first fields of the program's own lines, then those of the Outcome in their stable
 * order. Written by hand and in the worker: an object that crosses to main and is formatted there cost a
 * third of a connection (bench/connections.ts).
 */
export function accessLines(): (outcome: Outcome, timeMs: number) => string {
  const last = { ms: 0, text: '' } // many connections end within one millisecond
  return (outcome, timeMs) => {
    if (timeMs !== last.ms) {
      last.ms = timeMs
      last.text = new Date(timeMs).toISOString()
    }
    return line(outcome, last.text)
  }
}

function line(outcome: Outcome, time: string): string {
  const {
    id,
    client,
    serverName,
    pool,
    endpoint,
    connectMs,
    durationMs,
    bytesUp,
    bytesDown,
    cause,
    phase,
    closed,
  } = outcome
  // Of these texts the listener's and the pool's names come from the configuration, and the server name from
  // the client; the others are addresses and words of our own.
  return (
    `{"level":"${failures.has(cause) ? 'warn' : 'info'}","time":"${time}","msg":"connection","id":"${id}",` +
    `"listener":${JSON.stringify(outcome.listener)},"client":"${client}",` +
    `"serverName":${serverName === null ? 'null' : wireText(serverName)},` +
    `"pool":${pool === null ? 'null' : JSON.stringify(pool)},"endpoint":${quoted(endpoint)},` +
    `"attempts":[${attempts(outcome)}],"connectMs":${connectMs === null ? 'null' : rounded(connectMs)},` +
    `"durationMs":${rounded(durationMs)},"bytesUp":${bytesUp},"bytesDown":${bytesDown},"cause":"${cause}",` +
    `"phase":"${phase}","closed":{"first":"${closed.first}","how":"${closed.how}"}}\n`
  )
}

function attempts({ attempts }: Outcome): string {
  let text = ''
  for (const { endpoint, ms, error } of attempts) {
    text += `${text === '' ? '' : ','}{"endpoint":"${endpoint}","ms":${rounded(ms)},"error":${quoted(error)}}`
  }
  return text
}

/**
 * One character for each byte: what is not ASCII, or controls a terminal, is escaped. As long as a name of
 * DNS at most.
 */
function wireText(word: string): string {
  return JSON.stringify(word.slice(0, 255)).replace(
    /[\x7f-\xff]/g,
    (character) => `\\u00${character.charCodeAt(0).toString(16)}`,
  )
}

function quoted(text: string | null): string {
  return text === null ? 'null' : `"${text}"`
}

/** The clock is no finer than microseconds. */
function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000
}
