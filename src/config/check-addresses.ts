import { maxListeners } from '../core/tally.ts'
import type { ListenerDraft, PoolDraft } from './build.ts'
import { type Checked, endpointPath, listenerFinding, shown, shownAddress, shownName } from './checked.ts'
import type { HostPort } from './host-port.ts'
import { type Finding, findingAt } from './issue.ts'
import { overlaps, reaches } from './reach.ts'
import { find } from './tree.ts'

/** Addresses that collide, are given twice, or lead in a circle. */
export function checkAddresses(checked: Checked): Finding[] {
  return [
    ...checkListeners(checked),
    ...checkAdmin(checked),
    ...checked.draft.pools.flatMap((pool) => [...checkTwice(checked, pool), ...checkCircles(checked, pool)]),
  ]
}

function checkListeners({ draft, tree }: Checked): Finding[] {
  const findings: Finding[] = []
  const listeners = draft.listeners.slice(0, maxListeners) // pairs: more of them are refused anyway
  for (const [i, later] of listeners.entries()) {
    const earlier = listeners.slice(0, i).find((other) => overlaps(other.config, later.config))
    if (earlier === undefined) continue
    const names = `listeners \`${shownName(tree, earlier)}\` and \`${shownName(tree, later)}\``
    const message = `${names} cannot both listen on port ${later.config.port}`
    const hint = `\`${shownAddress(tree, earlier)}\` takes this address already; a wildcard takes all of a port`
    findings.push(listenerFinding(tree, later, message, hint))
  }
  return findings
}

function checkAdmin({ draft, tree }: Checked): Finding[] {
  const admin = draft.config.admin.listen
  if (admin === null) return []
  const listener = draft.listeners.find(({ config }) => overlaps(config, admin))
  if (listener === undefined) return []
  const path = ['admin', 'listen']
  const found = find(tree, path)
  if (found.path.length < path.length) {
    const message = `listener \`${shownName(tree, listener)}\` takes the address of admin.listen`
    const hint = `admin.listen is ${admin.host}:${admin.port} by default: set it to another address or \`off\``
    return [listenerFinding(tree, listener, message, hint)]
  }
  const message = `admin.listen collides with listener \`${shownName(tree, listener)}\``
  return [findingAt(found, message, 'choose another port, or `off`')]
}

function checkTwice({ tree }: Checked, { config, endpointsAt }: PoolDraft): Finding[] {
  const findings: Finding[] = []
  const seen = new Set<string>()
  for (const [i, { host, port }] of config.endpoints.entries()) {
    const found = find(tree, endpointPath(tree, endpointsAt, i))
    const key = `${host} ${port}`
    if (seen.has(key)) {
      const message = `endpoint \`${shown(found)}\` is in the pool already`
      findings.push(findingAt(found, message, 'give an endpoint a larger share with `weight`'))
    }
    seen.add(key)
  }
  return findings
}

function checkCircles({ draft, tree }: Checked, pool: PoolDraft): Finding[] {
  const findings: Finding[] = []
  for (const [i, endpoint] of pool.config.endpoints.entries()) {
    const listener = listenersAt(draft.listeners, endpoint).find((hit) =>
      leadsTo(draft, hit, pool.config.name, new Set()),
    )
    if (listener === undefined) continue
    const found = find(tree, endpointPath(tree, pool.endpointsAt, i))
    const message = `endpoint \`${shown(found)}\` leads back to itself through listener \`${shownName(tree, listener)}\``
    findings.push(findingAt(found, message, 'connections would go round in a circle: choose another port'))
  }
  return findings
}

function listenersAt(listeners: readonly ListenerDraft[], endpoint: HostPort): ListenerDraft[] {
  return listeners.filter(({ config }) => reaches(endpoint, config))
}

/** Whether a connection to `listener` may arrive in `pool`, directly or through other listeners. */
function leadsTo(draft: Checked['draft'], listener: ListenerDraft, pool: string, seen: Set<string>): boolean {
  const { pool: next } = listener.config
  if (next === pool) return true
  if (seen.has(next)) return false
  seen.add(next)
  const endpoints = draft.pools.find(({ config }) => config.name === next)?.config.endpoints ?? []
  return endpoints.some((endpoint) =>
    listenersAt(draft.listeners, endpoint).some((hit) => leadsTo(draft, hit, pool, seen)),
  )
}
