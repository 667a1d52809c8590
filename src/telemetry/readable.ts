import { shown, shownLines } from '../core/shown.ts'
import { wireWord } from '../core/wire-word.ts'
import { coloured } from './colours.ts'

import type { ErrorFields } from './error.ts'
import { readableAccess } from './readable-access.ts'

/**
 * A JSON log line in the form that people read on a terminal: `14:03:07.120 info  listening listener=http
 * address=[::]:80`. Fields that the message already contains are left out; the stack of an error follows
 * below. Text that is not a JSON line is returned unchanged. Control characters never reach the terminal,
 * because names and messages may come from the network. A connection's line is a sentence. `colours`: the
 * level has one.
 */
export function readable(line: string, colours = false): string {
  const record = parse(line)
  if (record === undefined) return line
  const { level, time, msg, err, ...rest } = record
  const access = msg === 'connection' ? readableAccess(rest) : null
  const shownLevel = shown(String(level)).padEnd(5)
  const words = [
    shown(clock(time)),
    colours ? coloured(shownLevel, String(level)) : shownLevel,
    access === null ? shownLines(String(msg ?? '')) : shown(access.text),
  ]
  for (const [key, value] of Object.entries(access?.rest ?? rest)) {
    // What a client has sent as its server name are bytes, one character each.
    if (key === 'serverName' && typeof value === 'string') words.push(`${key}=${wireWord(value)}`)
    else if (!said(value, msg)) words.push(`${shown(key)}=${word(value)}`)
  }
  const error = isError(err) ? err : undefined
  if (error !== undefined) words.push(`err=${word(chain(error))}`)
  const stack = error?.stack === undefined ? '' : `\n${shownLines(error.stack)}`
  return `${words.filter((each) => each !== '').join(' ')}${stack}\n`
}

/** The message already contains the value, or the value is `false`, which tells a person nothing. */
function said(value: unknown, msg: unknown): boolean {
  return value === false || (typeof value !== 'object' && String(msg).includes(String(value)))
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    const record: unknown = JSON.parse(line)
    return typeof record === 'object' && record !== null ? { ...record } : undefined
  } catch {
    return undefined
  }
}

function clock(time: unknown): string {
  const date = new Date(String(time))
  if (Number.isNaN(date.getTime())) return String(time)
  const two = (value: number) => String(value).padStart(2, '0')
  const ms = String(date.getMilliseconds()).padStart(3, '0')
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${ms}`
}

/** Quoted unless it is plain. */
function word(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return /^[\w.:/@[\]{}",*+%-]+$/.test(text) ? text : shown(JSON.stringify(text))
}

function chain(error: ErrorFields): string {
  const own = error.code === undefined ? error.message : `${error.code}: ${error.message}`
  return error.cause === undefined ? own : `${own} (${chain(error.cause)})`
}

function isError(value: unknown): value is ErrorFields {
  return typeof value === 'object' && value !== null && 'message' in value
}
