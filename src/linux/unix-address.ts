import { AF_UNIX } from './constants.ts'

/** sun_path of struct sockaddr_un (linux/un.h). */
const longestPath = 108

/**
 * The sockaddr_un of a UNIX socket, as long as it has to be: `/run/notify` is a path, `@notify` a name in the
 * abstract namespace, which counts every byte and so has no zero at its end. null: neither of these, or too
 * long.
 */
export function unixAddress(name: string): Buffer | null {
  if (!/^[@/]./.test(name) || name.includes('\0')) return null
  const path = Buffer.from(name.startsWith('@') ? `\0${name.slice(1)}` : `${name}\0`)
  if (path.length > longestPath) return null
  const family = Buffer.alloc(2)
  family.writeUInt16LE(AF_UNIX)
  return Buffer.concat([family, path])
}
