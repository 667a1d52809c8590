import { type CommandOptions, change } from './client.ts'

/** `spliceway log LEVEL`: what the running process logs, until a reload. */
export function logLevel(options: CommandOptions, level: string): Promise<number> {
  return change(options, `/log?level=${encodeURIComponent(level)}`)
}
