import { type CommandOptions, change, reloadTimeoutMs } from './client.ts'

/** `spliceway reload`: waits until the new configuration is in use, or prints every problem it has. */
export function reload(options: CommandOptions): Promise<number> {
  return change(options, '/reload', reloadTimeoutMs)
}
