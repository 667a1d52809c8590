import { readlinkSync } from 'node:fs'
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  IPPROTO_MPTCP,
  IPPROTO_TCP,
  O_NONBLOCK,
  SO_ACCEPTCONN,
  SO_DOMAIN,
  SO_PROTOCOL,
  SO_TYPE,
  SOCK_STREAM,
  SOL_SOCKET,
} from '../linux/constants.ts'
import type { Fd } from '../linux/fd.ts'
import type { Libc } from '../linux/libc.ts'
import type { CarriedSession } from './live-message.ts'

const domains: ReadonlySet<number> = new Set([AF_INET, AF_INET6, AF_UNIX])
const protocols: ReadonlySet<number> = new Set([IPPROTO_TCP, IPPROTO_MPTCP])
/** struct sockaddr_in6; of a longer address the beginning is enough. */
const addressSize = 28

/**
 * Whether the descriptors that came for a connection are what its facts say; null: they are, and the cookies
 * of its sockets are in `known` from now on. Otherwise what is wrong with them.
 */
export function faultOf(
  libc: Libc,
  { relay, descriptors: count }: CarriedSession,
  descriptors: readonly Fd[],
  known: Set<bigint>,
): string | null {
  const [down, up, ...ends] = descriptors
  const pipes = [relay.up.pipeBytes, relay.down.pipeBytes].filter((bytes) => bytes > 0)
  if (down === undefined || up === undefined || descriptors.length !== count) return 'descriptors are missing'
  if (ends.length !== 2 * pipes.length) return `${ends.length} ends of pipes instead of ${2 * pipes.length}`
  const fault = socketFault(libc, down, relay.downstream.unix) ?? socketFault(libc, up, relay.upstream.unix)
  if (fault !== null) return fault
  for (const [i, bytes] of pipes.entries()) {
    const [read, write] = ends.slice(2 * i, 2 * i + 2)
    if (read === undefined || write === undefined) return 'a pipe is missing'
    const broken = pipeFault(libc, read, write, bytes)
    if (broken !== null) return broken
  }
  const [one, other] = [libc.cookie(down), libc.cookie(up)]
  if (one === null || other === null) return 'a socket without a cookie'
  if (one === other || known.has(one) || known.has(other)) return 'a socket that came before'
  known.add(one).add(other)
  return null
}

function socketFault(libc: Libc, fd: Fd, isUnix: boolean): string | null {
  const option = (name: number): number => libc.getOption(fd, SOL_SOCKET, name)
  const domain = option(SO_DOMAIN)
  if (!domains.has(domain) || (domain === AF_UNIX) !== isUnix) return `a socket of domain ${domain}`
  if (option(SO_TYPE) !== SOCK_STREAM) return `a socket of type ${option(SO_TYPE)}`
  if (!isUnix && !protocols.has(option(SO_PROTOCOL))) return `a socket of protocol ${option(SO_PROTOCOL)}`
  if (option(SO_ACCEPTCONN) !== 0) return 'a socket that listens'
  if ((libc.flags(fd) & O_NONBLOCK) === 0) return 'a socket that blocks'
  // One that was reset meanwhile has no peer: whoever gives it knows how to end it.
  return libc.getpeername(fd, libc.block(addressSize)) < 0 ? 'a socket without a peer' : null
}

function pipeFault(libc: Libc, read: Fd, write: Fd, bytes: number): string | null {
  const [out, into] = [libc.pipeEnd(read), libc.pipeEnd(write)]
  if (typeof out === 'number' || typeof into === 'number') return 'an end of a pipe that is none'
  if (!out.reads || into.reads) return 'ends of a pipe the wrong way round'
  if (out.bytes !== bytes) return `a pipe with ${out.bytes} bytes instead of ${bytes}`
  if ((libc.flags(read) & libc.flags(write) & O_NONBLOCK) === 0) return 'a pipe that blocks'
  return nameOf(read) === nameOf(write) ? null : 'ends of two pipes'
}

/** `pipe:[12345]`. */
function nameOf({ n }: Fd): string {
  return readlinkSync(`/proc/self/fd/${n}`)
}
