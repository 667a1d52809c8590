import { z } from 'zod'
import { endpointAddress } from './address-field.ts'
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

const shortEndpoint = endpointAddress().transform((address) => ({ ...address, ...usual }))

/** Its inner form has a literal IP address without brackets, or a name, as `host`. */
export const endpoint = z.union([
  shortEndpoint,
  mapping({
    address: endpointAddress().describe(
      'HOST:PORT: an IP address, or a name that is looked up again every `refresh`.',
    ),
    ...settings,
  }).transform(({ address, ...rest }) => ({ ...address, ...rest })),
])

/** An endpoint in the file of a pool with `file`; endpoint-list.ts refuses names. */
export const listedEndpoint = z.union([
  shortEndpoint,
  mapping({ address: endpointAddress().describe('ADDRESS:PORT'), ...share }).transform(
    ({ address, ...rest }) => ({ ...address, ...rest }),
  ),
])
