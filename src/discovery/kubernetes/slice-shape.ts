import type { EndpointSlice, SliceEndpoint, SlicePort } from './endpoint-slice.ts'
import { type Received, ShapeError } from './received.ts'

/**
 * Reads one EndpointSlice. What the API leaves out is filled in as kube-proxy does: no `ready` or `serving`
 * is true, no `terminating` is false, no protocol is TCP, no port name is the empty one. Throws ShapeError.
 */
export function readSlice(slice: Received): EndpointSlice {
  return {
    name: slice.get('metadata').get('name').text(),
    addressType: slice.get('addressType').text(),
    ports: slice.get('ports').list().map(readPort),
    endpoints: slice.get('endpoints').list().flatMap(readEndpoint),
  }
}

export interface SliceList {
  readonly slices: readonly EndpointSlice[]
  /** Opaque: only the server may compare two of them. */
  readonly version: string
  /** Asks for the next page; null: this was the last. */
  readonly next: string | null
}

/**
 * Reads one page of a list. Throws ShapeError for anything but an EndpointSliceList: an answer without items
 * from some other server, or from a page in between, must not look like a Service without endpoints.
 */
export function readSliceList(page: Received): SliceList {
  const kind = `${page.get('apiVersion').textOr('')} ${page.get('kind').textOr('')}`
  if (kind !== 'discovery.k8s.io/v1 EndpointSliceList') {
    throw new ShapeError(`expected discovery.k8s.io/v1 EndpointSliceList, got \`${kind.trim()}\``)
  }
  return {
    slices: page.get('items').list().map(readSlice),
    version: page.get('metadata').get('resourceVersion').text(),
    next: page.get('metadata').get('continue').textOr('') || null,
  }
}

function readPort(port: Received): SlicePort {
  return {
    name: port.get('name').textOr(''),
    protocol: port.get('protocol').textOr('TCP'),
    port: port.get('port').integerOr(null),
  }
}

/** An entry without an address is no endpoint. */
function readEndpoint(endpoint: Received): SliceEndpoint[] {
  const [address] = endpoint.get('addresses').list()
  if (address === undefined) return []
  const conditions = endpoint.get('conditions')
  const hints = endpoint.get('hints')
  const names = (list: Received) => list.list().map((item) => item.get('name').text())
  return [
    {
      address: address.text(),
      ready: conditions.get('ready').flagOr(true),
      serving: conditions.get('serving').flagOr(true),
      terminating: conditions.get('terminating').flagOr(false),
      node: endpoint.get('nodeName').textOr(null),
      zone: endpoint.get('zone').textOr(null),
      target: endpoint.get('targetRef').get('name').textOr(null),
      forNodes: names(hints.get('forNodes')),
      forZones: names(hints.get('forZones')),
    },
  ]
}
