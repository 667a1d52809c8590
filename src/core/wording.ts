import { getSystemErrorMessage } from 'node:util'

/**
 * `250ms`, `1s`, `1.5s`, `5m`, `1h`: a duration for people, rounded to the millisecond. What the
 * configuration could read back, to the millisecond and up to days, is written by config/duration.ts.
 */
export function durationText(ms: number): string {
  const whole = Math.round(ms)
  if (whole < 1000) return `${whole}ms`
  if (whole % 3_600_000 === 0) return `${whole / 3_600_000}h`
  if (whole % 60_000 === 0) return `${whole / 60_000}m`
  return `${whole / 1000}s`
}

/** A duration without the fraction that jitter gave it, once seconds are enough to know. */
export function roughly(ms: number): string {
  return durationText(ms < 10_000 ? Math.max(0, ms) : Math.round(ms / 1000) * 1000)
}

/** `0.4 ms`, `12 ms`: a measured time. */
export function tookText(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
}

/** Nobody reads a line that lists more than this. */
const maxListed = 10

/** `a, b, c`, or the first of them and how many there are besides. */
export function someOf(things: readonly string[]): string {
  const more = things.length - maxListed
  return more > 0 ? `${things.slice(0, maxListed).join(', ')} and ${more} more` : things.join(', ')
}

const texts: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection closed by the endpoint',
  ETIMEDOUT: 'connection timed out',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'network unreachable',
  EACCES: 'not permitted (a local firewall rule?)',
  EPERM: 'not permitted (a local firewall rule?)',
  EMFILE: 'too many open files in this process',
  ENFILE: 'too many open files on this machine',
  EADDRNOTAVAIL: 'no local address or port is free',
  ENOBUFS: 'no kernel buffers are free',
  ENOMEM: 'no memory is free',
}

/**
 * An errno in words; errors without one say their own message, in one line. Node's message of a system call
 * names its arguments too, known or not: `connect EINVAL 240.0.0.1:80 - Local (undefined:undefined)`.
 */
export function errorText(error: unknown): string {
  const code = errorCode(error)
  const text = texts[code]
  if (text !== undefined) return text
  // Where the error has a path, its own message is worth showing.
  const errno: unknown = error instanceof Error && 'errno' in error && !('path' in error) ? error.errno : 0
  if (typeof errno === 'number' && errno < 0) return `${getSystemErrorMessage(errno)} (${code})`
  const message = error instanceof Error ? error.message : String(error)
  return message.replaceAll(/\s+/g, ' ').trim() || errorCode(error)
}

const socketTexts: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such socket',
  ECONNREFUSED: 'nobody listens at this socket',
  EACCES:
    'no permission: this user needs write access to the socket, and search access to every folder above it',
  EPERM:
    'no permission: this user needs write access to the socket, and search access to every folder above it',
  EPROTOTYPE: 'it is no stream socket',
  EAGAIN: 'its backlog is full',
}

/** The same for a connection to a UNIX socket, whose rights are those of a file. */
export function unixErrorText(error: unknown): string {
  return socketTexts[errorCode(error)] ?? errorText(error)
}

const fileTexts: Readonly<Record<string, string>> = {
  ENOENT: 'it is missing',
  ENOTDIR: 'it is missing',
  EISDIR: 'it is a folder',
  EACCES: 'this user may not',
  EPERM: 'this user may not',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
}

/** The same for an error about a file, where EACCES and EPERM mean something else than for a connection. */
export function fileErrorText(error: unknown): string {
  return fileTexts[errorCode(error)] ?? errorText(error)
}

/** The error's code, or the empty text. */
export function errorCode(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return ''
  return String(error.code)
}

const localCodes = new Set(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'EADDRINUSE', 'ENOBUFS', 'ENOMEM', 'EAGAIN'])

/** Whether an error says nothing about the peer because this machine lacked descriptors, ports or memory. */
export function isLocal(error: unknown): boolean {
  return localCodes.has(errorCode(error))
}
