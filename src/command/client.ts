import { request } from 'node:http'
import { exitCode } from './exit-code.ts'

/** What every command against a running process needs. */
export interface CommandOptions {
  /** The admin socket of the running process. */
  readonly socket: string
  readonly out: Writer
  readonly err: Writer
}

export interface Writer {
  write(text: string): unknown
}

export type AdminReply =
  | { readonly kind: 'answered'; readonly status: number; readonly body: string }
  /** Nobody there, or no permission, or no answer in time. `message` says which, and what to do. */
  | { readonly kind: 'unreachable'; readonly message: string }

/** Status and the like take milliseconds; a reload resolves names and probes ports first. */
const defaultTimeoutMs = 5_000
export const reloadTimeoutMs = 60_000

/** Asks the process at `socket`. Never rejects. */
export function ask(
  socket: string,
  method: 'GET' | 'POST',
  path: string,
  timeoutMs = defaultTimeoutMs,
): Promise<AdminReply> {
  const { promise, resolve } = Promise.withResolvers<AdminReply>()
  const signal = AbortSignal.timeout(timeoutMs)
  const failed = (error: NodeJS.ErrnoException) =>
    resolve({ kind: 'unreachable', message: unreachable(socket, signal.aborted ? 'ETIMEDOUT' : error.code) })
  const outgoing = request({ socketPath: socket, method, path, signal, agent: false }, (incoming) => {
    let body = ''
    incoming.setEncoding('utf8')
    incoming.on('data', (chunk: string) => {
      body += chunk
    })
    incoming.on('end', () => resolve({ kind: 'answered', status: incoming.statusCode ?? 0, body }))
    incoming.on('error', failed)
  })
  outgoing.on('error', failed)
  outgoing.end()
  return promise
}

/** Sends a change and prints its answer; for the commands that do nothing else. Resolves to the exit code. */
export async function change(options: CommandOptions, path: string, timeoutMs?: number): Promise<number> {
  const reply = await ask(options.socket, 'POST', path, timeoutMs)
  if (reply.kind === 'unreachable') return complain(options, reply.message)
  const { ok, message, warning } = parseAnswer(reply.body)
  const writer = ok ? options.out : options.err
  writer.write(message.endsWith('\n') ? message : `${message}\n`)
  if (warning !== null) options.err.write(`warning: ${warning}\n`)
  return ok ? exitCode.ok : exitCode.failure
}

/** Prints why a command failed. Returns the exit code. */
export function complain(options: CommandOptions, message: string): number {
  options.err.write(`spliceway: ${message}\n`)
  return exitCode.failure
}

/** What an action came to; what is no Answer is shown as it is. */
export function parseAnswer(body: string): { ok: boolean; message: string; warning: string | null } {
  try {
    const answer: unknown = JSON.parse(body)
    if (typeof answer === 'object' && answer !== null && 'ok' in answer && 'message' in answer) {
      const warning = 'warning' in answer ? String(answer.warning) : null
      return { ok: answer.ok === true, message: String(answer.message), warning }
    }
  } catch {
    // Not JSON: shown as it is.
  }
  return { ok: false, message: body, warning: null }
}

/** Why nobody could be asked, and what to do. */
export function unreachable(socket: string, code: string | undefined): string {
  const other = 'the running process prints its admin socket when it starts: add --socket PATH'
  switch (code) {
    case 'ENOENT':
      return `nothing runs at ${socket} (no such file)\n  start it with "spliceway run"; if it runs, ${other}`
    case 'ECONNREFUSED':
      return `nothing runs at ${socket} (left behind by a process that died)\n  start it with "spliceway run"; if it runs, ${other}`
    case 'EACCES':
    case 'EPERM':
      return `no permission for ${socket}\n  try as root, or as the user that runs the process`
    case 'ETIMEDOUT':
      return `no answer in time from the process at ${socket}\n  its log may say why`
    default:
      return `cannot talk to the process at ${socket} (${code ?? 'unknown error'})\n  ${other}`
  }
}
