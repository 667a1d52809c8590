import type { Emptiness } from '../source.ts'
import { type Choice, type EndpointSlice, portNames } from './endpoint-slice.ts'

/** Why these slices have no endpoint to use. */
export function emptinessOf(slices: readonly EndpointSlice[], { port, locality, node }: Choice): Emptiness {
  if (slices.length === 0) return fault('it has no EndpointSlices (is there such a Service?)')
  // With nothing to select, the controller leaves one slice without endpoints, and without ports: they are
  // the Pods'.
  if (slices.every(({ endpoints }) => endpoints.length === 0)) {
    return gone('no Pod is there (it is scaled to 0, or its selector fits none)')
  }
  const names = portNames(slices)
  if (!names.includes(port)) {
    const there = names.length === 0 ? 'none at all' : `only ${names.map(quoted).join(', ')}`
    return fault(`it has no TCP port named ${quoted(port)}, ${there}`)
  }
  return gone(locality === 'node-only' ? `none is ready on node ${node.name}` : 'none is ready')
}

function gone(text: string): Emptiness {
  return { kind: 'gone', text }
}

function fault(text: string): Emptiness {
  return { kind: 'fault', text }
}

function quoted(name: string): string {
  return `\`${name}\``
}
