import { type CommandOptions, change } from './client.ts'

/** `spliceway drain`: begins a graceful stop, as SIGTERM does. Does not wait for its end. */
export function drain(options: CommandOptions): Promise<number> {
  return change(options, '/drain')
}
