import { ask, type CommandOptions, complain } from './client.ts'
import { exitCode } from './exit-code.ts'

/** `spliceway ready`: exit code 0 and `ready`, with what is worth knowing nevertheless; or 1 and the reasons. */
export async function ready(options: CommandOptions): Promise<number> {
  const reply = await ask(options.socket, 'GET', '/readyz')
  if (reply.kind === 'unreachable') return complain(options, reply.message)
  if (reply.status === 200) {
    options.out.write(reply.body.replace(/^ok\n/, 'ready\n'))
    return exitCode.ok
  }
  options.err.write(`not ready\n${reply.body}`)
  return exitCode.failure
}
