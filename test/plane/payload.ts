import { createHash } from 'node:crypto'

export const KiB = 1024
export const MiB = 1024 * KiB

/** What is compared instead of megabytes. */
export function sha(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
