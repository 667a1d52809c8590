import type { Config } from './config.ts'
import type { PoolDraft } from './draft.ts'
import { endpointPath, type Subject, shown } from './findings.ts'
import { probeKinds } from './health-schema.ts'
import { type Finding, findingAt } from './issue.ts'
import { find, pathText } from './tree.ts'

/** The file name that `admin.socket: auto` has, in whatever folder: admin/socket-path.ts. */
const adminFile = /\/spliceway\.sock$/

/** UNIX sockets among the endpoints that are this program's own, and probes that want a port of one. */
export function checkUnix(subject: Subject): Finding[] {
  return subject.draft.pools.flatMap((pool) => [...checkOwn(subject, pool), ...checkPorts(subject, pool)])
}

function checkOwn({ draft, tree }: Subject, { config, endpointsAt }: PoolDraft): Finding[] {
  return config.endpoints.flatMap((endpoint, i) => {
    const whose = 'unix' in endpoint ? ownerOf(draft.config, endpoint.unix) : null
    if (whose === null) return []
    const found = find(tree, endpointPath(tree, endpointsAt, i))
    const message = `endpoint \`${shown(found)}\` is this program's own: ${whose}`
    return [
      findingAt(found, message, 'clients would talk to the forwarder itself: give the socket of a gateway'),
    ]
  })
}

function ownerOf({ admin, handover }: Config, unix: string): string | null {
  // Of several slashes the kernel makes one.
  const path = unix.replaceAll(/\/+/g, '/')
  const { socket } = admin
  if (socket.kind === 'path' && socket.path.replaceAll(/\/+/g, '/') === path) return 'admin.socket'
  if (socket.kind === 'auto' && adminFile.test(path)) return 'what `admin.socket: auto` is called'
  return handover.socket !== null && `@${handover.socket}` === unix ? 'handover.socket' : null
}

function checkPorts({ tree }: Subject, { config, at }: PoolDraft): Finding[] {
  const { probe } = config.health
  if (probe.kind === 'off' || probe.port === null) return []
  if (!config.endpoints.some((endpoint) => 'unix' in endpoint)) return []
  const health = [...at, 'health']
  const mapping = find(tree, health).tree
  const keys = mapping.kind === 'mapping' ? [...mapping.entries.keys()] : []
  const kind = keys.find((key) => probeKinds.includes(key))
  const path = [...health, kind ?? 'tcp', 'port']
  const message = `${pathText(path)} cannot be asked of a UNIX socket, which has no ports`
  return [findingAt(find(tree, path), message, 'leave it out, or give these endpoints a pool of their own')]
}
