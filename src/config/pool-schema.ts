import { z } from 'zod'
import type { EjectionRule } from '../core/outlier.ts'
import { balanceKinds, proxyProtocols } from '../core/policy.ts'
import type { PoolRules } from '../core/snapshot.ts'
import { parseSources } from '../core/source-address.ts'
import { sourceAddress } from './address-field.ts'
import { dnsPool, filePool, kubernetesPool } from './discovery-schema.ts'
import { endpoint } from './endpoint-schema.ts'
import { choice, connections, duration, durationOrOff, flag, integer, offOrMapping } from './field.ts'
import { health } from './health-schema.ts'
import { mapping, oneKeyOf } from './shape.ts'

const outlier = mapping({
  // As Envoy: a few unlucky connects are not an outage.
  consecutiveFailures: integer(1, 1000)
    .prefault(5)
    .describe(
      'Failed connects in a row that eject an endpoint before the probes notice, or connections in a row that it resets before their first byte.',
    ),
  // As Envoy too: long enough to matter, short enough to be forgotten.
  baseEjection: duration()
    .prefault('30s')
    .describe('Length of the first ejection; the n-th lasts n times as long.'),
  maxEjection: duration().prefault('300s').describe('The longest ejection.'),
}) satisfies z.ZodType<EjectionRule>

const connect = mapping({
  // A lost SYN is sent again after 1 s and after 3 s: this allows for one.
  timeout: duration().prefault('3s').describe('Time for one endpoint to accept the connection.'),
  // A gateway restarts in less; people wait about as long.
  budget: duration()
    .prefault('10s')
    .describe('Time for all attempts of one connection; then the client is closed.'),
  // Two dead nodes of three are survived in one pass.
  attempts: integer(1, 100).prefault(3).describe('Distinct endpoints tried in a row before waiting.'),
  // Twenty times what a dial takes across zones, and a fourth of the first SYN retransmission: a lost SYN is
  // not waited for.
  hedgeAfter: duration()
    .prefault('250ms')
    .describe(
      'Without an answer for this long, another endpoint is dialed beside; the first to answer gets the connection. At least three times what a dial usually takes. At `timeout` or above: never.',
    ),
  source: z
    .array(sourceAddress())
    .prefault([])
    .describe(
      'Local IP addresses to connect from, used in turn. Each gives about 28,000 more ports to one endpoint.',
    )
    .transform(parseSources),
})

const queue = mapping({
  // As Envoy's max_pending_requests.
  connections: connections(0)
    .prefault(1024)
    .describe('Connections that may wait, over all workers; the next one is reset.'),
  // As connect.budget: whatever a client waits for, it waits about as long.
  timeout: duration().prefault('10s').describe('The longest wait; then the client is reset.'),
})

const warm = mapping({
  // Off: within a site a dial costs less than a millisecond, and protocols in which the server speaks first
  // have no use for it.
  connections: integer(0, 1000)
    .prefault(0)
    .describe('Connections to each endpoint that wait for a client; 0 is off.'),
  // Below the time that gateways give a client for its first bytes: nginx, APISIX and Kong 60 s, cautious
  // settings 30 s.
  maxAge: duration()
    .prefault('25s')
    .describe(
      'They are replaced at this age. Keep it below what the gateway gives a client for its first bytes.',
    ),
}).transform((given) => (given.connections === 0 ? null : given))

// Long enough for a gateway to open its own connections and fill its caches.
const slowStart = '30s'

/** Where connections go: of these a pool has one. */
const members = {
  endpoints: z
    .array(endpoint)
    .min(1)
    .optional()
    .describe('Where connections go: `HOST:PORT`, or a mapping with `address`.'),
  kubernetes: kubernetesPool.optional().describe('Instead of `endpoints`: those of a Kubernetes Service.'),
  dns: dnsPool.optional().describe('Instead of `endpoints`: what name servers answer.'),
  file: filePool
    .optional()
    .describe('Instead of `endpoints`: what a file lists. A path, or a mapping with `path`.'),
}
export const memberKeys: readonly string[] = Object.keys(members)

const nothing = () => null

export const pool = mapping({
  ...members,
  // Two random choices, the less loaded one: near to least-connections, without herding on a fresh endpoint.
  balance: choice(balanceKinds)
    .prefault('p2c')
    .describe('How an endpoint is chosen. source-hash keeps a client address on one endpoint.'),
  // Costs one connection every 2 s and finds a dead node without a client's help.
  health: health.prefault({}).describe('Active probes, or `off`. Give at most one kind.'),
  outlier: z
    .union([offOrMapping('{ consecutiveFailures: 5 }', nothing, () => outlier.parse({})), outlier])
    .prefault({})
    .describe(
      'Ejection of endpoints whose connects fail, or that reset before the first byte, or `off`. Never more than half of the pool.',
    ),
  connect: connect.prefault({}).describe('How endpoints are connected to.'),
  queue: queue
    .prefault({})
    .describe('Where connections wait while every endpoint has the connections that it may have.'),
  warm: z
    .union([offOrMapping('{ connections: 8 }', nothing), warm])
    .prefault({})
    .describe('Connections that are opened before a client comes, or `off`.'),
  slowStart: durationOrOff(slowStart)
    .prefault(slowStart)
    .describe(
      'Time in which an endpoint that came back, or is new, gets from a tenth to its full share of connections, or `off`.',
    ),
  // Cutting live connections must be asked for.
  onRemoval: choice(['keep', 'close'])
    .prefault('keep')
    .describe(
      'Connections of an endpoint that leaves the pool or is drained: kept until they end, or closed over `drain.window`.',
    ),
  // As above, and a probe may be wrong.
  onDown: choice(['keep', 'close', 'reset'])
    .prefault('keep')
    .describe(
      'Connections of an endpoint that probes call down: kept until they end, closed over `drain.window`, or reset at once. With `panic: on` not before another endpoint has shown that probes work.',
    ),
  // A wrong probe must not be worse than none.
  panic: flag()
    .prefault(true)
    .describe(
      'on: while probes call every endpoint down, all are tried. off: clients wait for one within `connect.budget`, as a database whose probe finds the primary needs it.',
    ),
  onFailback: choice(['keep', 'close'])
    .prefault('keep')
    .describe(
      'Connections of other tiers when a better one has recovered: kept until they end, or closed when silent, over `drain.window`.',
    ),
  // A backend that does not expect the header breaks.
  sendProxyProtocol: choice(proxyProtocols)
    .prefault('off')
    .describe(
      "PROXY protocol header that tells the endpoint the client's address. The endpoint's port must expect it.",
    ),
  // Needs rules of the host, and a capability.
  transparent: flag()
    .prefault(false)
    .describe(
      "on: endpoints see the client's own address, as the address that connections to them begin at. Needs CAP_NET_RAW, the splice plane, and rules of the host: docs/transparent.md.",
    ),
  // As short as the TTLs that cluster DNS gives.
  refresh: duration()
    .prefault('5s')
    .describe('How often names in `endpoints` are looked up again; `dns` goes by the TTL instead.'),
})
  .transform(({ endpoints, kubernetes, dns, file, ...rest }) => ({
    ...rest,
    endpoints: endpoints ?? [],
    discovery: kubernetes ?? dns ?? file,
  }))
  .meta({ [oneKeyOf]: memberKeys }) satisfies z.ZodType<PoolRules>
