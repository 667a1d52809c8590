import type { SocketAddress } from '../core/address.ts'
import type { FirstAnswer } from '../core/way-back.ts'
import {
  IP_TRANSPARENT,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_TRANSPARENT,
  SO_ERROR,
  SOL_SOCKET,
} from './constants.ts'
import { ECONNREFUSED, EINPROGRESS, errnoName } from './errno.ts'
import type { Fd } from './fd.ts'
import type { Libc } from './libc.ts'
import { readSockaddr, sockaddrSize, writeSockaddr } from './sockaddr.ts'

/** There is no poller on the main thread, and this is asked rarely. */
const lookMs = 10

/** null: this process may connect from addresses that are not this host's; otherwise an errno name. */
export function transparentForbidden(libc: Libc): string | null {
  const fd = libc.socket(4)
  if (typeof fd === 'number') return errnoName(fd)
  const code = libc.setOption(fd, IPPROTO_IP, IP_TRANSPARENT, 1)
  libc.close(fd)
  return code < 0 ? errnoName(code) : null
}

/**
 * Whether a SYN from `source`, an address that need not be this host's, is answered within `withinMs`; null:
 * from an address of the kernel's choice. The connection is reset unused. Never rejects.
 */
export function firstAnswer(
  libc: Libc,
  after: (ms: number, fire: () => void) => void,
  endpoint: SocketAddress,
  source: SocketAddress | null,
  withinMs: number,
): Promise<FirstAnswer> {
  const fd = libc.socket(endpoint.family)
  if (typeof fd === 'number') return Promise.resolve({ kind: 'failed', code: errnoName(fd) })
  const end = (answer: FirstAnswer): FirstAnswer => {
    libc.resetOnClose(fd)
    libc.close(fd)
    return answer
  }
  const block = libc.block(sockaddrSize)
  const code = source === null ? 0 : bindTo(libc, fd, source)
  const begun = code < 0 ? code : libc.connect(fd, block, writeSockaddr(block, endpoint))
  if (begun < 0 && begun !== EINPROGRESS && begun !== ECONNREFUSED)
    return Promise.resolve(end({ kind: 'failed', code: errnoName(begun) }))
  const local = libc.getsockname(fd, block) < 0 ? endpoint : readSockaddr(block)
  if (begun === ECONNREFUSED) return Promise.resolve(end({ kind: 'answered', local }))
  const { promise, resolve } = Promise.withResolvers<FirstAnswer>()
  const look = (leftMs: number): void => {
    const error = -libc.getOption(fd, SOL_SOCKET, SO_ERROR)
    if (error === ECONNREFUSED || (error === 0 && libc.getpeername(fd, block) >= 0))
      resolve(end({ kind: 'answered', local }))
    else if (error < 0) resolve(end({ kind: 'failed', code: errnoName(error) }))
    else if (leftMs <= 0) resolve(end({ kind: 'silent' }))
    else after(lookMs, () => look(leftMs - lookMs))
  }
  look(withinMs)
  return promise
}

function bindTo(libc: Libc, fd: Fd, source: SocketAddress): number {
  const block = libc.block(sockaddrSize)
  const allowed =
    source.family === 4
      ? libc.setOption(fd, IPPROTO_IP, IP_TRANSPARENT, 1)
      : libc.setOption(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 1)
  return allowed < 0 ? allowed : libc.bind(fd, block, writeSockaddr(block, source))
}
