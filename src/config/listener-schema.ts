import { z } from 'zod'
import type { PerSourceLimit } from '../core/per-source.ts'
import { otherPeers, refuseWays } from '../core/policy.ts'
import { listenAddress, name } from './address-field.ts'
import { cidr, protocolName, rangeList, rateOrOff, routeName } from './admission-field.ts'
import { choice, connections, connectionsOrOff, duration, flag, integer, offOrMapping } from './field.ts'
import { mapping, oneOrMore } from './shape.ts'
import { listenerTimeouts } from './timeouts-schema.ts'

const nothing = () => null

const acceptProxyProtocol = mapping({
  from: z
    .array(cidr())
    .min(1)
    .describe('Peers, load balancers mostly, that have to send a PROXY header, v1 or v2; they are believed.'),
  // A balancer sends it with its first segment; a lost one is sent again after 1 s and after 3 s.
  timeout: duration().prefault('5s').describe('Time for the header to come.'),
  // Whoever reaches the port past the balancer is not meant to.
  others: choice(otherPeers)
    .prefault('refuse')
    .describe(
      'What becomes of other peers: refused, or served as they are; their bytes are never read as a header.',
    ),
})

const perSource = mapping({
  connections: connectionsOrOff().prefault('off').describe('Connections of one source at once, or `off`.'),
  rate: rateOrOff('50/s')
    .prefault('off')
    .describe('New connections of one source, such as 50/s, as many at once as come in a second, or `off`.'),
  // A household, or a company behind its translator, has one address of IPv4 and a /64 of IPv6.
  prefix4: integer(0, 32).prefault(32).describe('Bits of an IPv4 address that make a source.'),
  prefix6: integer(0, 128).prefault(64).describe('Bits of an IPv6 address that make a source.'),
  dryRun: flag().prefault(false).describe('Counts and logs what would be refused, and refuses nobody.'),
}).transform(({ rate, ...rest }): PerSourceLimit | null =>
  rate === null && rest.connections === null ? null : { ...rest, perSecond: rate },
)

const route = mapping({
  sni: oneOrMore(routeName())
    .optional()
    .describe(
      'Server names, exact or `*.` and a name, which covers one label. Left out: any, and none at all.',
    ),
  alpn: oneOrMore(protocolName())
    .optional()
    .describe('Application protocols, of which the client offers one. Left out: any, and none at all.'),
  pool: name().describe('Where connections go for which both fit.'),
}).transform(({ sni, alpn, pool }) => ({ sni: sni ?? [], alpn: alpn ?? [], pool }))

/**
 * A listener in its long form. Its inner form has a literal IP address as `host`; port 0 lets the kernel
 * choose one.
 */
export const listener = mapping({
  name: name().describe('Unique; in logs and metrics.'),
  listen: listenAddress().describe(
    'ADDRESS:PORT, an IPv6 address in brackets: "[::]:80" is every address, IPv4 too.',
  ),
  pool: name()
    .optional()
    .describe(
      'The pool that connections go to, with `routes` those that no route takes; left out, these are refused.',
    ),
  routes: z
    .array(route)
    .prefault([])
    .describe(
      'Pools by the server name and the protocols of a TLS ClientHello, which is read and left as it is.',
    ),
  // A hello is in the first segments; a client that waits for the server to speak waits this long for
  // nothing.
  prefaceTimeout: duration()
    .prefault('5s')
    .describe('With `routes`: time for the ClientHello; then the connection is one that no route takes.'),
  acceptProxyProtocol: z
    .union([offOrMapping('{ from: [10.0.0.0/8] }', nothing), acceptProxyProtocol])
    .prefault('off')
    .describe("Who has to send a PROXY header with the client's address, or `off`."),
  allow: rangeList('/etc/spliceway/allow.txt')
    .optional()
    .describe('Clients that may connect, a list of ranges or `{ file: PATH }`; everybody when left out.'),
  deny: rangeList('/etc/spliceway/deny.txt')
    .optional()
    .describe('Clients that may not, a list of ranges or `{ file: PATH }`; comes before `allow`.'),
  perSource: z
    .union([offOrMapping('{ connections: 100 }', nothing), perSource])
    .prefault({})
    .describe('What one source may have, over all workers, or `off`.'),
  rate: rateOrOff('1000/s')
    .prefault('off')
    .describe(
      'New connections a second; the splice plane leaves the rest in the backlog, net refuses it. Or `off`.',
    ),
  // Whoever is refused should not wait, and a reset leaves nothing behind here.
  refuse: choice(refuseWays).prefault('reset').describe('How connections are refused: by RST, or by FIN.'),
  maxConnections: connections()
    .optional()
    .describe('Connections of this listener; no limit of its own when left out.'),
  timeouts: listenerTimeouts
    .optional()
    .describe('When its connections end; what is left out is as in `timeouts` of the whole program.'),
}).transform(({ listen, ...rest }) => ({ ...rest, ...listen }))
