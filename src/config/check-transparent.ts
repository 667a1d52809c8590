import { parseIp } from '../core/address.ts'
import type { ListenerConfig } from './config.ts'
import type { PoolDraft } from './draft.ts'
import { endpointPath, type Subject, shown, shownName } from './findings.ts'
import { type Finding, findingAt } from './issue.ts'
import { poolsOf } from './listener-pools.ts'
import { find, pathText } from './tree.ts'

/** What cannot be together with `transparent: on`. */
export function checkTransparent(subject: Subject): Finding[] {
  const pools = subject.draft.pools.filter(({ config }) => config.transparent)
  return pools.flatMap((pool) => [
    ...checkPlane(subject, pool),
    ...checkWarm(subject, pool),
    ...checkSource(subject, pool),
    ...checkUnix(subject, pool),
  ])
}

function checkPlane({ draft, tree }: Subject, { at }: PoolDraft): Finding[] {
  if (draft.config.plane !== 'net') return []
  const found = find(tree, [...at, 'transparent'])
  const message = `${pathText(found.path)} needs the splice plane, and \`plane\` is \`net\``
  return [
    findingAt(
      found,
      message,
      "node:net cannot connect from an address that is not this host's: leave `plane` out",
    ),
  ]
}

function checkWarm({ tree }: Subject, { config, at }: PoolDraft): Finding[] {
  if (config.warm === null) return []
  const message = `${pathText([...at, 'warm'])} must be \`off\` where \`transparent\` is on`
  const hint = 'a connection that is opened before a client comes cannot begin at its address'
  return [findingAt(find(tree, [...at, 'warm']), message, hint)]
}

function checkSource({ tree }: Subject, { config, at }: PoolDraft): Finding[] {
  if (config.connect.source.length === 0) return []
  const path = [...at, 'connect', 'source']
  const message = `${pathText(path)} and \`transparent\` exclude each other`
  const hint = "a connection begins at the client's address, or at one of this host"
  return [findingAt(find(tree, path), message, hint)]
}

function checkUnix({ tree }: Subject, { config, endpointsAt }: PoolDraft): Finding[] {
  return config.endpoints.flatMap((endpoint, i) => {
    if (!('unix' in endpoint)) return []
    const found = find(tree, endpointPath(tree, endpointsAt, i))
    const message = `endpoint \`${shown(found)}\` is a UNIX socket, and the pool is \`transparent\``
    const hint = 'a UNIX socket has no client addresses: use `sendProxyProtocol` there'
    return [findingAt(found, message, hint)]
  })
}

/** Clients of a family that no endpoint of their pool has: they are refused. */
export function warnOfTransparent({ draft, tree }: Subject): Finding[] {
  return draft.pools.flatMap(({ config, at }) => {
    // What names and sources find, nobody knows.
    const families = config.endpoints.map((endpoint) =>
      'unix' in endpoint ? undefined : parseIp(endpoint.host)?.family,
    )
    if (!config.transparent || families.length === 0 || families.includes(undefined)) return []
    const listeners = draft.listeners.filter((each) => poolsOf(each.config).includes(config.name))
    return ([4, 6] as const).flatMap((family) => {
      const listener = listeners.find((each) => hears(each.config, family))
      if (families.includes(family) || listener === undefined) return []
      const found = find(tree, [...at, 'transparent'])
      const name = shownName(tree, listener)
      const message = `IPv${family} clients of listener \`${name}\` are refused: pool \`${config.name}\` is transparent and has no IPv${family} endpoint`
      return [findingAt(found, message, 'add one, or listen on the other family alone')]
    })
  })
}

/** Whether clients of this family may come. `::` is dual-stack, and a PROXY header may name either. */
function hears({ host, acceptProxyProtocol }: ListenerConfig, family: 4 | 6): boolean {
  if (acceptProxyProtocol !== null) return true
  const own = parseIp(host)
  return (
    own === undefined || own.family === family || own.bytes.every((byte) => byte === 0 && own.family === 6)
  )
}
