import type { ConfigInUse } from '../admin/source.ts'
import { ask, type CommandOptions, complain } from './client.ts'
import { shortDuration } from './duration.ts'
import { exitCode } from './exit-code.ts'

export interface ConfigOptions extends CommandOptions {
  readonly json: boolean
}

/**
 * `spliceway config`: the configuration in use, as it was written, so that the output is one again; on
 * standard error what was refused since, and why.
 */
export async function config(options: ConfigOptions): Promise<number> {
  const reply = await ask(options.socket, 'GET', '/config')
  if (reply.kind === 'unreachable') return complain(options, reply.message)
  if (reply.status !== 200)
    return complain(options, `the process at ${options.socket} answered: ${reply.body.trim()}`)
  if (options.json) {
    options.out.write(reply.body)
    return exitCode.ok
  }
  const { source, loadedMsAgo, text, refused }: ConfigInUse = JSON.parse(reply.body)
  options.out.write(`# ${source}, in use for ${shortDuration(loadedMsAgo)}\n${bodyOf(source, text)}`)
  if (refused !== null) {
    const when = shortDuration(refused.msAgo)
    options.err.write(`refused ${when} ago, what is in use stayed:\n${refused.message.trimEnd()}\n`)
  }
  return exitCode.ok
}

/** A command line is no YAML, and a comment of it is. */
function bodyOf(source: string, text: string | null): string {
  if (text === null) return ''
  if (source === 'command line') return `# spliceway forward ${text}\n`
  return text.endsWith('\n') ? text : `${text}\n`
}
