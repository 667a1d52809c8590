import { constants } from 'node:os'

const names = new Map<number, string>()
// Two errnos have two names each (EAGAIN is EWOULDBLOCK): the one that comes first in the alphabet is the
// familiar one.
for (const [name, value] of Object.entries(constants.errno).sort())
  if (!names.has(value)) names.set(value, name)

/** Results of calls are negative errnos, as the kernel has them. */
export const EAGAIN = -constants.errno.EAGAIN
export const EINTR = -constants.errno.EINTR
export const EINPROGRESS = -constants.errno.EINPROGRESS
export const EPIPE = -constants.errno.EPIPE
export const ECONNREFUSED = -constants.errno.ECONNREFUSED
export const ECONNRESET = -constants.errno.ECONNRESET
export const ECONNABORTED = -constants.errno.ECONNABORTED
export const EMFILE = -constants.errno.EMFILE
export const ENFILE = -constants.errno.ENFILE
export const EBADMSG = -constants.errno.EBADMSG
export const EOPNOTSUPP = -constants.errno.EOPNOTSUPP
export const ENOPROTOOPT = -constants.errno.ENOPROTOOPT
export const EINVAL = -constants.errno.EINVAL
export const ENOMEM = -constants.errno.ENOMEM
/** asm-generic/errno.h; Node has no name for it. */
export const ETOOMANYREFS = -109
export const ENOBUFS = -constants.errno.ENOBUFS

/** `ECONNREFUSED` of a call's negative result. */
export function errnoName(result: number): string {
  return names.get(-result) ?? `errno ${-result}`
}
