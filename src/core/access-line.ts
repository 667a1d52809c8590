import { type Connect, failures, type Outcome } from './outcome.ts'
import type { Look, OfBoth } from './slowness.ts'

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

/** The line of a connection that is connected now, with `log.connect: on`. */
export function connectLine(connect: Connect, timeMs: number): string {
  const { id, listener, client, pool, endpoint, connectMs } = connect
  return (
    `{"level":"info","time":"${new Date(timeMs).toISOString()}","msg":"connected","id":"${id}",` +
    `"listener":${JSON.stringify(listener)},"client":"${client}","pool":${JSON.stringify(pool)},` +
    `"endpoint":"${endpoint}","attempts":[${attempts(connect)}],"connectMs":${rounded(connectMs)}}\n`
  )
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
    `"attempts":[${attempts(outcome)}],"connectMs":${figure(connectMs)},` +
    `"durationMs":${rounded(durationMs)},"bytesUp":${bytesUp},"bytesDown":${bytesDown},"cause":"${cause}",` +
    `"phase":"${phase}","closed":{"first":"${closed.first}","how":"${closed.how}"},` +
    `"firstByteMs":${figure(outcome.firstByteMs)}${looked(outcome.look)}${moved(outcome.moves)}}\n`
  )
}

/** Only of those that were looked at: most connections are short. */
function looked(look: Look | null): string {
  if (look === null) return ''
  const { slow, rttMs, retransmits, peerWindowMs, gatewayMs } = look
  return (
    `,"slow":${quoted(slow)},"rttMs":${ofBoth(rttMs)},"retransmits":${ofBoth(retransmits)},` +
    `"peerWindowMs":${ofBoth(peerWindowMs)},"gatewayMs":${rounded(gatewayMs)}`
  )
}

/** Only of those that have changed process. */
function moved(moves: number): string {
  return moves === 0 ? '' : `,"moves":${moves}`
}

function ofBoth({ client, endpoint }: OfBoth): string {
  return `{"client":${figure(client)},"endpoint":${figure(endpoint)}}`
}

function figure(value: number | null): string {
  return value === null ? 'null' : String(rounded(value))
}

function attempts({ attempts }: Pick<Outcome, 'attempts'>): string {
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
