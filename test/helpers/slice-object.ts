import { BlockList, isIP } from 'node:net'

/** An EndpointSlice as a client of the API writes it: whatever a test wants it to be, with a name and labels. */
export interface SliceObject {
  readonly metadata: {
    readonly name: string
    readonly [field: string]: unknown
    readonly labels?: Readonly<Record<string, string>>
  }
  readonly addressType?: unknown
  readonly ports?: unknown
  readonly endpoints?: unknown
  readonly [field: string]: unknown
}

/**
 * The slice as kube-apiserver stores it: in protobuf an empty list and none are the same, so both come back as null; a
 * port's name and protocol have defaults. Throws with the server's words what the server refuses with 422
 * (k8s.io/kubernetes/pkg/apis/discovery/validation).
 */
export function admitted(object: SliceObject, before: SliceObject | undefined): SliceObject {
  const problems = [...problemsOf(object, before)]
  if (problems.length > 0) {
    throw new Error(`EndpointSlice "${object.metadata.name}" is invalid: ${problems.join(', ')}`)
  }
  return stored(object)
}

export function stored(object: SliceObject): SliceObject {
  const ports = items(object.ports).map((port) => ({
    ...port,
    name: port.name ?? '',
    protocol: port.protocol ?? 'TCP',
  }))
  const endpoints = items(object.endpoints).map((endpoint) => ({
    ...endpoint,
    conditions: endpoint.conditions ?? {},
  }))
  return {
    ...object,
    ports: ports.length === 0 ? null : ports,
    endpoints: endpoints.length === 0 ? null : endpoints,
  }
}

type Fields = Readonly<Record<string, unknown>>

function items(list: unknown): readonly Fields[] {
  return Array.isArray(list) ? list : []
}

const families: Readonly<Record<string, number>> = { IPv4: 4, IPv6: 6 }
const protocols: readonly unknown[] = ['TCP', 'UDP', 'SCTP']

function* problemsOf(object: SliceObject, before: SliceObject | undefined): Generator<string> {
  const { addressType } = object
  const type = String(addressType)
  if (type !== 'FQDN' && !(type in families)) yield `addressType: Unsupported value: "${type}"`
  if (before !== undefined && before.addressType !== addressType) {
    yield `addressType: Invalid value: "${type}": field is immutable`
  }
  const endpoints = items(object.endpoints)
  if (endpoints.length > 1000) yield `endpoints: Too many: ${endpoints.length}: must have at most 1000 items`
  for (const [at, { addresses }] of endpoints.entries()) {
    const list: readonly unknown[] = Array.isArray(addresses) ? addresses : []
    const path = `endpoints[${at}].addresses`
    if (list.length === 0) yield `${path}: Required value: must contain at least 1 address`
    if (list.length > 100) yield `${path}: Too many: ${list.length}: must have at most 100 items`
    for (const [index, address] of list.entries()) {
      const reason = type === 'FQDN' ? null : refusalOf(String(address), families[type] ?? 0)
      if (reason !== null) yield `${path}[${index}]: Invalid value: "${address}": ${reason}`
    }
  }
  yield* portProblems(items(object.ports))
}

function* portProblems(ports: readonly Fields[]): Generator<string> {
  const names = new Set<unknown>()
  for (const [at, { name: given, protocol = 'TCP' }] of ports.entries()) {
    const name = String(given ?? '')
    if (names.has(name)) yield `ports[${at}].name: Duplicate value: "${name}"`
    names.add(name)
    if (!/^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$/.test(name))
      yield `ports[${at}].name: Invalid value: "${name}"`
    if (!protocols.includes(protocol)) yield `ports[${at}].protocol: Unsupported value: "${protocol}"`
  }
}

/** ValidateNonSpecialIP. */
const special = [
  ['may not be unspecified', list(['0.0.0.0', 32, 'ipv4'], ['::', 128, 'ipv6'])],
  [
    'may not be in the loopback range (127.0.0.0/8, ::1/128)',
    list(['127.0.0.0', 8, 'ipv4'], ['::1', 128, 'ipv6']),
  ],
  [
    'may not be in the link-local range (169.254.0.0/16, fe80::/10)',
    list(['169.254.0.0', 16, 'ipv4'], ['fe80::', 10, 'ipv6']),
  ],
  [
    'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)',
    list(['224.0.0.0', 24, 'ipv4'], ['ff02::', 16, 'ipv6']),
  ],
] as const

function list(...subnets: readonly (readonly [string, number, 'ipv4' | 'ipv6'])[]): BlockList {
  const blocks = new BlockList()
  for (const [net, prefix, family] of subnets) blocks.addSubnet(net, prefix, family)
  return blocks
}

function refusalOf(address: string, family: number): string | null {
  if (isIP(address) !== family) return `must be a valid IPv${family} address`
  const found = special.find(([, blocks]) => blocks.check(address, family === 4 ? 'ipv4' : 'ipv6'))
  return found?.[0] ?? null
}
