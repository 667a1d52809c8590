import { joinHostPort } from '../core/address.ts'
import type { InheritedSockets } from '../core/inherited.ts'
import type { Log } from '../core/log.ts'
import { Fd } from '../linux/fd.ts'
import type { Libc } from '../linux/libc.ts'
import { countSockets } from './inheritance.ts'
import type { PassedDescriptor } from './listen-fds.ts'
import { listeningAddress } from './listening.ts'
import { match, type Passed, type Wanted } from './match.ts'

interface PassedSocket extends Passed {
  readonly fd: Fd
  readonly passed: PassedDescriptor
}

/**
 * Takes the sockets that systemd has bound (socket activation) for the listeners that have their addresses.
 * Sockets that no listener has the address of are closed, with a warning.
 */
export function activate(
  descriptors: readonly PassedDescriptor[],
  wanted: readonly Wanted[],
  libc: Libc,
  log: Log,
): readonly InheritedSockets[] {
  const unused = (what: string, { n, name }: PassedDescriptor, fd: Fd): void => {
    libc.close(fd)
    log.warn(
      { descriptor: n, name },
      `a socket of the socket unit is not used: ${what}, passed as descriptor ${n} (${name})`,
    )
  }
  const sockets: PassedSocket[] = []
  for (const passed of descriptors) {
    const fd = owned(libc, passed.n)
    if (typeof fd === 'number') continue // it was not open
    const address = listeningAddress(libc, fd)
    if (address === null) unused('it does not listen for TCP', passed, fd)
    else sockets.push({ ...address, fd, passed })
  }
  const { matched, unmatched } = match(wanted, sockets)
  for (const { host, port, v6Only, fd, passed } of unmatched) {
    const only = v6Only ? ' (IPv6 only)' : ''
    unused(`no listener has its address, ${joinHostPort(host, port)}${only}`, passed, fd)
  }
  const inherited = [...matched].map(([key, found]) => inheritedOf(key, found, libc))
  const total = inherited.reduce((sum, each) => sum + each.descriptors.length, 0)
  log.info(
    { sockets: total, listeners: inherited.length },
    `started with ${countSockets(total, inherited.length)} that were bound before (socket activation)`,
  )
  return inherited
}

/**
 * Makes it like all our descriptors: not inherited by children, and non-blocking, which systemd leaves to the
 * service.
 */
function owned(libc: Libc, n: number): Fd | number {
  const fd = libc.duplicate(n)
  libc.close(new Fd(n))
  if (typeof fd === 'object') libc.setNonBlocking(fd)
  return fd
}

function inheritedOf(key: string, found: readonly PassedSocket[], libc: Libc): InheritedSockets {
  const [{ host, port } = { host: '', port: 0 }] = found
  return {
    key,
    address: { host, port },
    descriptors: found.map(({ fd }) => fd.n),
    shared: true, // systemd keeps them
    close() {
      for (const { fd } of found) libc.close(fd)
    },
  }
}
