import type { Socket } from '../linux/tcp-table.ts'
import type { Facts } from './facts.ts'
import { advice, type Remedy, type Words } from './finding.ts'
import type { Owner } from './node/owners.ts'
import { isAny, listenText } from './subject.ts'

/** Shows who listens on a port. */
export function showPort(port: number): Words {
  return ['ss', '-Hltnp', 'sport', '=', `:${port}`]
}

/** Sockets that listen on this port at an address that overlaps. */
export function listenersAt(
  facts: Facts,
  at: { readonly host: string; readonly port: number },
): readonly Socket[] {
  return facts.sockets.filter(
    (socket) => socket.state === 'listen' && socket.port === at.port && overlap(socket.host, at.host),
  )
}

/** `::` is IPv4 as well, unless its owner has asked for the contrary, which nobody can see. */
function overlap(a: string, b: string): boolean {
  if (a === b || a === '::' || b === '::') return true
  if (a === '0.0.0.0') return !b.includes(':')
  return b === '0.0.0.0' && !a.includes(':')
}

export function ownersOf(facts: Facts, socket: Socket): readonly Owner[] {
  return facts.owners.get(socket.inode) ?? []
}

/** A spliceway, this one or another. */
export function isSpliceway(owner: Owner, facts: Facts): boolean {
  if (facts.running.kind === 'answers' && owner.pid === facts.running.status.pid) return true
  return owner.spliceway
}

/** `nginx (pid 1234, uid 0)`. */
export function holderText(socket: Socket, owner: Owner | undefined): string {
  if (owner === undefined) return `a process of uid ${socket.uid}`
  return `${owner.command} (pid ${owner.pid}, uid ${socket.uid})`
}

/** How to make the holder of a port leave it. */
export function stopHolder(socket: Socket, owner: Owner | undefined): Remedy {
  const port = listenText(socket)
  if (owner === undefined) {
    const text = `ask again as root, on the host itself rather than in a container: then the process that holds ${port} has a name`
    return advice(text)
  }
  const { home } = owner
  switch (home.kind) {
    case 'unit':
      return advice(`stop the unit ${home.unit}, for good, or give it another port`, [
        ...['systemctl', 'disable', '--now', home.unit],
      ])
    case 'pod':
      return advice(
        `Pod ${home.pod} holds it on the host's network: give it another port, or take it off this node`,
      )
    case 'docker':
      return advice(`container ${home.id} holds it: publish it elsewhere, or stop it`, [
        'docker',
        'stop',
        home.id,
      ])
    case 'none':
      return advice(`end ${owner.command}, and whatever starts it, or give it another port`, [
        ...['kill', String(owner.pid)],
      ])
  }
}

/** More specific than `host`, which is every address. */
export function isNarrower(socket: Socket, host: string): boolean {
  return isAny(host) && !isAny(socket.host)
}
