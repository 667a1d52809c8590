import { ask, type CommandOptions, complain } from './client.ts'
import { exitCode } from './exit-code.ts'

/**
 * `spliceway ready`: exit code 0 and `ready`, with what is worth knowing nevertheless; or 1 and the reasons.
 */
export function ready(options: CommandOptions): Promise<number> {
  return verdict(options, '/readyz', 'ready')
}

/**
 * `spliceway live`: the same for liveness, over the socket of this very process: an address may be another
 * one's.
 */
export function live(options: CommandOptions): Promise<number> {
  return verdict(options, '/livez', 'live')
}

async function verdict(options: CommandOptions, path: string, word: string): Promise<number> {
  const reply = await ask(options.socket, 'GET', path)
  if (reply.kind === 'unreachable') return complain(options, reply.message)
  if (reply.status === 200) {
    options.out.write(reply.body.replace(/^ok\n/, `${word}\n`))
    return exitCode.ok
  }
  options.err.write(`not ${word}\n${reply.body}`)
  return exitCode.failure
}
