import { formatIp } from '../core/address.ts'
import {
  AF_INET,
  AF_INET6,
  IPPROTO_IPV6,
  IPPROTO_MPTCP,
  IPPROTO_TCP,
  IPV6_V6ONLY,
  SO_ACCEPTCONN,
  SO_PROTOCOL,
  SOL_SOCKET,
} from '../linux/constants.ts'
import type { Fd } from '../linux/fd.ts'
import type { Libc } from '../linux/libc.ts'
import { unixAddress } from '../linux/unix-address.ts'
import type { Passed } from './match.ts'

/** struct sockaddr_un, the longest of the three. */
const addressSize = 110

/**
 * Where a socket that somebody else made listens for TCP (or MPTCP, whose clients may speak plain TCP); null:
 * it does not.
 */
export function listeningAddress(libc: Libc, fd: Fd): Passed | null {
  const protocol = libc.getOption(fd, SOL_SOCKET, SO_PROTOCOL)
  if (protocol !== IPPROTO_TCP && protocol !== IPPROTO_MPTCP) return null
  const address = libc.block(addressSize)
  if (!listens(libc, fd) || libc.getsockname(fd, address) < 0) return null
  const port = address.view.getUint16(2)
  switch (address.view.getUint16(0, true)) {
    case AF_INET:
      return { host: formatIp({ family: 4, bytes: address.bytes.subarray(4, 8) }), port, v6Only: false }
    case AF_INET6: {
      const host = formatIp({ family: 6, bytes: address.bytes.subarray(8, 24) })
      return { host, port, v6Only: libc.getOption(fd, IPPROTO_IPV6, IPV6_V6ONLY) === 1 }
    }
    default:
      return null
  }
}

/** Whether a socket that somebody else made listens at the abstract name `name`. */
export function listensAtName(libc: Libc, fd: Fd, name: string): boolean {
  const expected = unixAddress(`@${name}`)
  const address = libc.block(addressSize)
  const length = libc.getsockname(fd, address)
  if (expected === null || !listens(libc, fd) || length !== expected.length) return false
  return address.bytes.subarray(0, length).equals(expected)
}

function listens(libc: Libc, fd: Fd): boolean {
  return libc.getOption(fd, SOL_SOCKET, SO_ACCEPTCONN) === 1
}
