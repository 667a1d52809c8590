import { parseIp } from '../core/address.ts'
import { maxEndpoints, maxListeners } from '../core/tally.ts'
import type { Draft, ListenerDraft, PoolDraft } from './draft.ts'
import { endpointPath, listenerFinding, type Subject, shown, shownAddress, shownName } from './findings.ts'
import type { HostPort, UnixPlace } from './host-port.ts'
import { type Finding, findingAt } from './issue.ts'
import { poolsOf } from './listener-pools.ts'
import { arrivesAt, overlaps } from './overlap.ts'
import { find, pathText } from './tree.ts'

/** Addresses that collide, are given twice, or lead in a circle. */
export function checkAddresses(subject: Subject): Finding[] {
  const circles = new Circles(subject.draft)
  return [
    ...checkListeners(subject),
    ...checkAdmin(subject),
    ...subject.draft.pools.flatMap((pool) => [
      ...checkTwice(subject, pool),
      ...checkCircles(subject, circles, pool),
      ...checkSources(subject, pool),
    ]),
  ]
}

function checkListeners({ draft, tree }: Subject): Finding[] {
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

function checkAdmin({ draft, tree }: Subject): Finding[] {
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

function checkTwice({ tree }: Subject, { config, endpointsAt }: PoolDraft): Finding[] {
  const findings: Finding[] = []
  const seen = new Set<string>()
  for (const [i, endpoint] of config.endpoints.entries()) {
    const found = find(tree, endpointPath(tree, endpointsAt, i))
    const key = 'unix' in endpoint ? endpoint.unix : `${endpoint.host} ${endpoint.port}`
    if (seen.has(key)) {
      const message = `endpoint \`${shown(found)}\` is in the pool already`
      findings.push(findingAt(found, message, 'give an endpoint a larger share with `weight`'))
    }
    seen.add(key)
  }
  return findings
}

/** A connection begins at an address of the endpoint's own family, and `source` leaves no other choice. */
function checkSources({ tree }: Subject, { config, at, endpointsAt }: PoolDraft): Finding[] {
  const families = new Set(config.connect.source.map(({ family }) => family))
  if (families.size !== 1) return []
  const wrong = config.endpoints.findIndex((endpoint) => {
    const family = 'unix' in endpoint ? undefined : parseIp(endpoint.host)?.family
    return family !== undefined && !families.has(family)
  })
  const { discovery } = config
  if (
    wrong === -1 &&
    (discovery?.kind !== 'dns' || discovery.families.some((type) => families.has(type === 'A' ? 4 : 6)))
  )
    return []
  const [given, needed] = families.has(4) ? ['IPv4', 'IPv6'] : ['IPv6', 'IPv4']
  const who =
    wrong === -1
      ? '`dns` is asked for'
      : `endpoint \`${shown(find(tree, endpointPath(tree, endpointsAt, wrong)))}\` is`
  const found = find(tree, [...at, 'connect', 'source', 0])
  const message = `${pathText([...at, 'connect', 'source'])} is ${given} alone, and ${who} ${needed}`
  return [
    findingAt(
      found,
      message,
      `add an ${needed} address of this machine, or another pool for what is ${needed}`,
    ),
  ]
}

function checkCircles({ tree }: Subject, circles: Circles, pool: PoolDraft): Finding[] {
  const findings: Finding[] = []
  // More of them are refused anyway.
  for (const [i, endpoint] of pool.config.endpoints.slice(0, maxEndpoints).entries()) {
    const listener = circles
      .at(endpoint)
      .find((hit) => poolsOf(hit.config).some((first) => circles.leadsTo(first, pool.config.name)))
    if (listener === undefined) continue
    const found = find(tree, endpointPath(tree, pool.endpointsAt, i))
    const message = `endpoint \`${shown(found)}\` leads back to itself through listener \`${shownName(tree, listener)}\``
    findings.push(findingAt(found, message, 'connections would go round in a circle: choose another port'))
  }
  return findings
}

/**
 * Where connections to this program's own listeners go. Each question is answered once: pools can be many.
 */
class Circles {
  readonly #byPort = new Map<number, ListenerDraft[]>()
  readonly #pools: ReadonlyMap<string, PoolDraft>
  /** Of a pool: those whose listeners its endpoints lead to. */
  readonly #next = new Map<string, ReadonlySet<string>>()
  /** Of a pool: itself, and those where its connections may arrive in the end. */
  readonly #ends = new Map<string, ReadonlySet<string>>()

  constructor({ listeners, pools }: Draft) {
    this.#pools = new Map(pools.map((pool) => [pool.config.name, pool]))
    for (const listener of listeners.slice(0, maxListeners)) {
      const { port } = listener.config
      const others = this.#byPort.get(port)
      if (others === undefined) this.#byPort.set(port, [listener])
      else others.push(listener)
    }
  }

  /** The listeners at which a connection to `endpoint` arrives. */
  at(endpoint: HostPort | UnixPlace): ListenerDraft[] {
    if ('unix' in endpoint) return []
    return (this.#byPort.get(endpoint.port) ?? []).filter(({ config }) => arrivesAt(endpoint, config))
  }

  /** Whether a connection to `pool` may arrive in `end`, directly or through other listeners. */
  leadsTo(pool: string, end: string): boolean {
    const known = this.#ends.get(pool)
    if (known !== undefined) return known.has(end)
    const ends = new Set([pool])
    for (const next of ends) for (const further of this.#after(next)) ends.add(further)
    this.#ends.set(pool, ends)
    return ends.has(end)
  }

  #after(pool: string): ReadonlySet<string> {
    const known = this.#next.get(pool)
    if (known !== undefined) return known
    const endpoints = this.#pools.get(pool)?.config.endpoints.slice(0, maxEndpoints) ?? []
    const next = new Set(
      endpoints.flatMap((endpoint) => this.at(endpoint).flatMap(({ config }) => poolsOf(config))),
    )
    this.#next.set(pool, next)
    return next
  }
}
