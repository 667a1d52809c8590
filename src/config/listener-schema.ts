import { listenAddress, name } from './address-field.ts'
import { connections } from './field.ts'
import { mapping } from './shape.ts'
import { listenerTimeouts } from './timeouts-schema.ts'

/** A listener in its long form. Its inner form has a literal IP address as `host`; port 0 lets the kernel choose one. */
export const listener = mapping({
  name: name().describe('Unique; in logs and metrics.'),
  listen: listenAddress().describe(
    'ADDRESS:PORT, an IPv6 address in brackets: "[::]:80" is every address, IPv4 too.',
  ),
  pool: name().describe('The pool that connections go to.'),
  maxConnections: connections()
    .optional()
    .describe('Connections of this listener; no limit of its own when left out.'),
  timeouts: listenerTimeouts
    .optional()
    .describe('When its connections end; what is left out is as in `timeouts` of the whole program.'),
}).transform(({ listen, ...rest }) => ({ ...rest, ...listen }))
