import type { Locality } from '../../config/config.ts'
import { formatAddress, type SocketAddress, socketAddress } from '../../core/address.ts'
import type { FoundEndpoint } from '../source.ts'

/** What is read of a discovery.k8s.io/v1 EndpointSlice, every default filled in. */
export interface EndpointSlice {
  readonly name: string
  /** `IPv4`, `IPv6`, `FQDN`, or what a later API adds: only the first two have addresses. */
  readonly addressType: string
  readonly ports: readonly SlicePort[]
  readonly endpoints: readonly SliceEndpoint[]
}

export interface SlicePort {
  /** The name of the Service's port; empty when it has none. */
  readonly name: string
  readonly protocol: string
  /** null: all ports, which means nothing to a proxy. */
  readonly port: number | null
}

export interface SliceEndpoint {
  /** The first of its addresses: the API gives the others no meaning. */
  readonly address: string
  readonly ready: boolean
  readonly serving: boolean
  readonly terminating: boolean
  readonly node: string | null
  readonly zone: string | null
  /** The pod, where it is one. */
  readonly target: string | null
  /**
   * Nodes and zones that should use it, as the cluster's traffic distribution has it. Empty: it says nothing.
   */
  readonly forNodes: readonly string[]
  readonly forZones: readonly string[]
}

/** The node on which this process runs; null: not known. */
export interface OurNode {
  readonly name: string | null
  readonly zone: string | null
}

export interface Choice {
  /** The name of the Service's port. The number behind it may differ from slice to slice. */
  readonly port: string
  readonly locality: Locality
  readonly node: OurNode
}

/**
 * The endpoints to use, as kube-proxy would choose them (pkg/proxy/topology.go): the ready ones, or else
 * those that are terminating and still serve; each address once; TCP only. Where kube-proxy drops what is far
 * away, here it is what is used last: a proxy that sees a near endpoint fail can still go to it. Only
 * `node-only` drops. Sorted by address.
 */
export function endpointsOf(slices: Iterable<EndpointSlice>, choice: Choice): readonly FoundEndpoint[] {
  const { locality, node } = choice
  const all = merged(candidates(slices, choice.port), node)
  const reachable = locality === 'node-only' ? all.filter(({ endpoint }) => isOn(node, endpoint)) : all
  const ready = reachable.filter(({ endpoint }) => endpoint.ready)
  const usable = ready.length > 0 ? ready : reachable.filter(({ endpoint }) => isLastResort(endpoint))
  const near = nearness(
    usable.map(({ endpoint }) => endpoint),
    choice,
  )
  return usable.map(({ address, endpoint }) => ({
    address,
    name: endpoint.target,
    priority: near(endpoint) ? 0 : 1,
    weight: 1,
  }))
}

/** The names under which these slices offer TCP ports, sorted: what to say when a port is not found. */
export function portNames(slices: Iterable<EndpointSlice>): readonly string[] {
  const names = [...slices].flatMap(({ ports }) => ports.filter(isTcp).map(({ name }) => name))
  return [...new Set(names)].sort()
}

interface Candidate {
  readonly id: string
  readonly address: SocketAddress
  readonly endpoint: SliceEndpoint
}

const families: Readonly<Record<string, 4 | 6>> = { IPv4: 4, IPv6: 6 }

function* candidates(slices: Iterable<EndpointSlice>, portName: string): Generator<Candidate> {
  for (const { addressType, ports, endpoints } of slices) {
    for (const { port } of ports.filter(isTcp).filter(({ name }) => name === portName)) {
      for (const endpoint of endpoints) {
        const address = socketAddress(endpoint.address, port)
        if (address === undefined || address.family !== families[addressType]) continue
        yield { id: formatAddress(address), address, endpoint }
      }
    }
  }
}

function isTcp(port: SlicePort): port is SlicePort & { readonly port: number } {
  return port.protocol === 'TCP' && port.port !== null && port.port > 0 && port.port <= 65_535
}

/**
 * One of each address. It is in two slices while it moves from one to the other, and so are two host-network
 * pods of one node during a rolling update: the ready one counts, then the one that serves, then the one on
 * our node.
 */
function merged(all: Iterable<Candidate>, node: OurNode): readonly Candidate[] {
  const rank = ({ endpoint }: Candidate) =>
    (endpoint.ready ? 4 : 0) + (isLastResort(endpoint) ? 2 : 0) + (isOn(node, endpoint) ? 1 : 0)
  const byId = new Map<string, Candidate>()
  for (const candidate of all) {
    const known = byId.get(candidate.id)
    if (known === undefined || rank(candidate) > rank(known)) byId.set(candidate.id, candidate)
  }
  return [...byId.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
}

/** Where the node is not known, nothing is on it. */
function isOn(node: OurNode, endpoint: SliceEndpoint): boolean {
  return node.name !== null && endpoint.node === node.name
}

/** Used while none is ready (KEP-1669): better than to refuse. */
function isLastResort({ serving, terminating }: SliceEndpoint): boolean {
  return serving && terminating
}

/** Which of the usable endpoints to use first. Where nobody knows where we are: all of them. */
function nearness(
  usable: readonly SliceEndpoint[],
  { locality, node }: Choice,
): (endpoint: SliceEndpoint) => boolean {
  const { name, zone } = node
  const everywhere = () => true
  switch (locality) {
    case 'node-only':
      return everywhere
    case 'prefer-node':
      return name === null ? everywhere : (endpoint) => endpoint.node === name
    case 'prefer-zone':
      return zone === null ? everywhere : (endpoint) => endpoint.zone === zone
    case 'any':
      return (
        hinted(usable, ({ forNodes }) => forNodes, name) ??
        hinted(usable, ({ forZones }) => forZones, zone) ??
        everywhere
      )
  }
}

/**
 * The endpoints that the cluster's hints keep for us; null when the hints do not count. They do when every
 * ready endpoint has one (the controller is not half-way through) and at least one is for us.
 */
function hinted(
  usable: readonly SliceEndpoint[],
  hints: (endpoint: SliceEndpoint) => readonly string[],
  here: string | null,
): ((endpoint: SliceEndpoint) => boolean) | null {
  if (here === null) return null
  const isHere = (endpoint: SliceEndpoint) => hints(endpoint).includes(here)
  const complete = usable.every((endpoint) => endpoint.ready && hints(endpoint).length > 0)
  return complete && usable.some(isHere) ? isHere : null
}
