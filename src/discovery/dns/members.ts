import type { DnsPoolConfig } from '../../config/config.ts'
import { formatAddress, socketAddress } from '../../core/address.ts'
import type { After } from '../../core/after.ts'
import type { FoundEndpoint } from '../source.ts'
import { askFamilies, type Family, failureOf } from './families.ts'
import type { AddressRecord, Queried, Query, ServiceRecord } from './query.ts'
import { type Share, sharesOf } from './srv-rank.ts'

/** What name servers said in one round of questions. */
export type Members =
  | {
      readonly kind: 'known'
      /** Each address once, in an order that does not change. */
      readonly endpoints: readonly FoundEndpoint[]
      /** The shortest of the answers used; of SRV records it is not known. */
      readonly ttlMs: number
      /** Targets of SRV records whose addresses could not be found, and why. */
      readonly lost: readonly LostTarget[]
      readonly remembered: Remembered
    }
  | { readonly kind: 'failed'; readonly reason: string }

export interface LostTarget {
  readonly target: string
  readonly reason: string
  /** True: its last addresses are used. False: it never had any. */
  readonly remembered: boolean
}

/** The last addresses of the name, or of each SRV target, by `target type`. */
export type Remembered = ReadonlyMap<string, readonly string[]>

/** More targets than anybody puts behind one name, and few enough to look up one by one. */
const maxTargets = 256

/** Asks for the endpoints that a name stands for. Never rejects. */
export async function membersOf(
  config: DnsPoolConfig,
  query: Query,
  remembered: Remembered,
  after: After,
): Promise<Members> {
  const { name, records, families } = config
  const target = (host: string): Promise<Target> => targetOf(host, families, query, remembered, after)
  if (records.type === 'SRV') return targetsOf(await query.services(name), target)
  const { addresses, reason, ttlMs, toRemember } = await target(name)
  if (reason !== null) return { kind: 'failed', reason }
  const endpoints = addresses.flatMap((address) => endpointOf(address, records.port, name))
  return { kind: 'known', endpoints: inOrder(endpoints), ttlMs, lost: [], remembered: new Map(toRemember) }
}

async function targetsOf(
  found: Queried<ServiceRecord>,
  targetOf: (name: string) => Promise<Target>,
): Promise<Members> {
  if (found.kind === 'failed') return found
  const services = found.records.filter(({ target }) => target !== '')
  const nothing = { endpoints: [], ttlMs: Number.POSITIVE_INFINITY, lost: [], remembered: new Map() }
  // RFC 2782: a target of "." alone says that the service is decidedly not available.
  if (services.length === 0) return { kind: 'known', ...nothing }
  const names = [...new Set(services.map(({ target }) => target.toLowerCase()))]
  if (names.length > maxTargets) {
    return { kind: 'failed', reason: `${names.length} targets are more than ${maxTargets}` }
  }
  const targets = await Promise.all(names.map(targetOf))
  const byName = new Map(targets.map((target) => [target.name, target]))
  const shares = sharesOf(services)
  const endpoints = services.flatMap(({ target, port }, i) => {
    const { name, addresses } = byName.get(target.toLowerCase()) ?? { name: target, addresses: [] }
    return addresses.flatMap((address) => endpointOf(address, port, name, shares[i]))
  })
  const lost = targets.flatMap(({ name: target, reason, addresses }) =>
    reason === null ? [] : [{ target, reason, remembered: addresses.length > 0 }],
  )
  if (endpoints.length === 0) {
    return { kind: 'failed', reason: `no target has an address: ${lost[0]?.target}: ${lost[0]?.reason}` }
  }
  return {
    kind: 'known',
    endpoints: inOrder(endpoints),
    ttlMs: Math.min(...targets.map(({ ttlMs }) => ttlMs)),
    lost,
    remembered: new Map(targets.flatMap(({ toRemember }) => toRemember)),
  }
}

interface Target {
  readonly name: string
  readonly addresses: readonly string[]
  readonly ttlMs: number
  /** Why no family was found; null: one was. */
  readonly reason: string | null
  readonly toRemember: readonly (readonly [string, readonly string[]])[]
}

/**
 * The addresses of all families. One that could not be asked for keeps its last ones; that there is none of a
 * family is believed only of a name that has one of another.
 */
async function targetOf(
  name: string,
  families: readonly Family[],
  query: Query,
  remembered: Remembered,
  after: After,
): Promise<Target> {
  const told = await askFamilies(query, name, families, after)
  const reason = failureOf(told)?.reason ?? null
  const toRemember = families.map((family) => {
    const found = told[family]
    const key = `${name} ${family}`
    if (found?.kind === 'found') return [key, found.records.map(({ address }) => address)] as const
    const none = found?.code === 'ENODATA' && reason === null
    return [key, none ? [] : (remembered.get(key) ?? [])] as const
  })
  const records = families.flatMap((family) => {
    const found = told[family]
    return found?.kind === 'found' ? found.records : []
  })
  const addresses = toRemember.flatMap(([, each]) => each)
  return { name, addresses, ttlMs: shortest(records), reason, toRemember }
}

function endpointOf(
  ip: string,
  port: number,
  name: string,
  { priority, weight }: Share = { priority: 0, weight: 1 },
): FoundEndpoint[] {
  const address = socketAddress(ip, port)
  return address === undefined || port === 0 ? [] : [{ address, name, priority, weight }]
}

function shortest(records: readonly AddressRecord[]): number {
  return Math.min(Number.POSITIVE_INFINITY, ...records.map(({ ttlMs }) => ttlMs))
}

/** Name servers shuffle their answers: by priority, then by address. */
export function inOrder(endpoints: readonly FoundEndpoint[]): readonly FoundEndpoint[] {
  const keyed = endpoints.map((endpoint) => ({ endpoint, key: formatAddress(endpoint.address) }))
  keyed.sort((a, b) => a.endpoint.priority - b.endpoint.priority || (a.key < b.key ? -1 : 1))
  return keyed.map(({ endpoint }) => endpoint)
}
