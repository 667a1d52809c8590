import { z } from 'zod'
import { endpointAddress, endpointPlace } from './address-field.ts'
import { connections, integer } from './field.ts'
import { mapping } from './shape.ts'

/** An endpoint in the file, as `HOST:PORT` or as a mapping. */

const share = {
  // All endpoints are equal until someone says otherwise.
  priority: integer(0, 100)
    .prefault(0)
    .describe('0 is used first; a higher tier is used only while no endpoint of a lower one is usable.'),
  weight: integer(1, 1000).prefault(1).describe('Share of connections among endpoints of one priority.'),
}

const settings = {
  ...share,
  maxConnections: connections().optional().describe('Connections to this endpoint; no limit when left out.'),
}
const usual = mapping(settings).parse({})

/**
 * Its inner form has a literal IP address without brackets, or a name, as `host`; or a UNIX socket as `unix`.
 */
export const endpoint = z.union([
  endpointPlace().transform((place) => ({ ...place, ...usual })),
  mapping({
    address: endpointPlace().describe(
      'HOST:PORT: an IP address, or a name that is looked up again every `refresh`. Or unix:/PATH, unix:@NAME.',
    ),
    ...settings,
  }).transform(({ address, ...rest }) => ({ ...address, ...rest })),
])

/**
 * An endpoint in the file of a pool with `file`; endpoint-list.ts refuses names. Never a UNIX socket: whoever
 * may write a list of gateways must not reach what only the host itself may, such as docker.sock.
 */
export const listedEndpoint = z.union([
  endpointAddress().transform((address) => ({ ...address, ...usual })),
  mapping({ address: endpointAddress().describe('ADDRESS:PORT'), ...share }).transform(
    ({ address, ...rest }) => ({ ...address, ...rest }),
  ),
])
