import { type CommandOptions, change } from './client.ts'

export interface KillOptions extends CommandOptions {
  readonly id: string
}

/** `spliceway kill ID`: RST to both sides of one connection; its cause in the access log is `admin`. */
export function kill({ id, ...options }: KillOptions): Promise<number> {
  return change(options, `/connections/${encodeURIComponent(id)}/kill`)
}
