import { request } from 'node:http'
import { type CommandOptions, complain, parseAnswer, unreachable } from './client.ts'
import { exitCode } from './exit-code.ts'

/** A check of 30 s, a start of 60 s, 60 s until it accepts, and its probation. */
const longestMs = 180_000

/** `spliceway upgrade`: prints how it goes. Resolves to the exit code. */
export async function upgrade(options: CommandOptions): Promise<number> {
  const { socket, out, err } = options
  const { promise, resolve } = Promise.withResolvers<number>()
  const signal = AbortSignal.timeout(longestMs)
  const lost = (error: NodeJS.ErrnoException): void =>
    resolve(complain(options, unreachable(socket, signal.aborted ? 'ETIMEDOUT' : error.code)))
  const outgoing = request(
    { socketPath: socket, method: 'POST', path: '/upgrade', signal, agent: false },
    (incoming) => {
      let rest = ''
      let last = ''
      incoming.setEncoding('utf8')
      incoming.on('data', (text: string) => {
        const lines = (rest + text).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) {
          const progress = progressOf(line)
          if (progress === null) last = line
          else out.write(`${progress}\n`)
        }
      })
      incoming.on('error', () => {}) // its end follows
      incoming.on('close', () => {
        if (last === '' && rest === '') {
          const gone = 'the process ended before it said how the upgrade went; its log may say why'
          resolve(complain(options, gone))
          return
        }
        const { ok, message } = parseAnswer(last || rest)
        const writer = ok ? out : err
        writer.write(message.endsWith('\n') ? message : `${message}\n`)
        resolve(ok ? exitCode.ok : exitCode.failure)
      })
    },
  )
  outgoing.on('error', lost)
  outgoing.end()
  return promise
}

/** null: another line. */
function progressOf(line: string): string | null {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null && 'progress' in value ? String(value.progress) : null
  } catch {
    return null
  }
}
