import { z } from 'zod'
import {
  abstractOrOff,
  endpointAddress,
  host,
  listenAddress,
  listenOrOff,
  name,
  requestPath,
  serverName,
  socketPath,
  sourceAddress,
} from './address-field.ts'
import { dnsPool, filePool, kubernetes, kubernetesPool, shortFilePool } from './discovery-schema.ts'
import { autoOr, choice, duration, durationOrOff, flag, integer, offOrMapping } from './field.ts'
import { mapping, oneKeyOf, oneOrMore } from './shape.ts'

/**
 * The configuration file: every key, its default and what it means. config/schema.json is made from this. Rules that
 * look at more than one field are in check.ts.
 */

/** No machine of today holds more connections; the bound catches a slipped digit. */
const maxConnections = 10_000_000

const connections = () => integer(1, maxConnections)

// All endpoints are equal until someone says otherwise.
const priority = 0
const weight = 1

const share = {
  priority: integer(0, 100)
    .prefault(priority)
    .describe('0 is used first; a higher tier is used only while no endpoint of a lower one is usable.'),
  weight: integer(1, 1000).prefault(weight).describe('Share of connections among endpoints of one priority.'),
}

const endpoint = mapping({
  address: endpointAddress().describe(
    'HOST:PORT: an IP address, or a name that is looked up again every `refresh`.',
  ),
  ...share,
  maxConnections: connections().optional().describe('Connections to this endpoint; no limit when left out.'),
})

const shortEndpoint = endpointAddress().transform(
  (address): z.output<typeof endpoint> => ({ address, priority, weight }),
)
const endpointForm = z.union([shortEndpoint, endpoint])

/** An endpoint in the file of a pool with `file`; endpoint-list.ts refuses names. */
export const listedEndpoint = z.union([
  shortEndpoint,
  mapping({ address: endpointAddress().describe('ADDRESS:PORT'), ...share }),
])

const probePort = () =>
  integer(1, 65_535)
    .optional()
    .describe(
      "Port to probe; the endpoint's own when left out. Gateways often answer readiness on another one.",
    )

const httpProbe = mapping({
  port: probePort(),
  // What any web server answers.
  path: requestPath().prefault('/').describe('Path of the GET request.'),
  // 200 alone: a redirect or an error page is no sign of health unless the operator says so.
  status: oneOrMore(integer(100, 599))
    .prefault(200)
    .describe('Status or list of statuses that mean healthy.'),
  host: host()
    .optional()
    .describe("Host header; for https also the TLS server name. The endpoint's address when left out."),
})

export const tcpProbe = mapping({
  port: probePort(),
  // The endpoint accepts the connection, so the whole of it is known to work, and nobody on the way takes it for an attack.
  close: choice(['fin', 'reset'])
    .prefault('fin')
    .describe(
      'How it ends its connection. reset: before the handshake is over, so that the endpoint is told of no connection. For MariaDB and MySQL, which block a host after 100 that say nothing.',
    ),
})
/** With fall 3, a doubt is settled half a second after the first probe that failed; four probes a second are no load. */
export const fastIntervalMs = 250

export const health = mapping({
  tcp: tcpProbe.optional().describe('Healthy when a connection is accepted. The default.'),
  http: httpProbe.optional().describe('Healthy when a GET is answered with `status`.'),
  https: httpProbe.optional().describe('As http, over TLS.'),
  tls: mapping({
    port: probePort(),
    serverName: serverName().optional().describe('Server name (SNI) to ask for.'),
  })
    .optional()
    .describe('Healthy when a TLS handshake succeeds.'),
  // With fall 3, a dead node is out after 6 s; a probe every 2 s is nothing to a gateway.
  interval: duration().prefault('2s').describe('Time from one probe of an endpoint to the next.'),
  fastInterval: duration()
    .optional()
    .describe(
      'The same while there is a doubt: a probe has failed, or clients notice something. When left out 250ms, or `interval` if that is shorter.',
    ),
  // A gateway in the same network that needs more than a second is not one to send clients to.
  timeout: duration().prefault('1s').describe('A probe without an answer by then has failed.'),
  // One lost packet or one garbage collection is not a dead endpoint.
  fall: integer(1, 100).prefault(3).describe('Failed probes in a row that take an endpoint out of use.'),
  // Two, so that a gateway that starts, answers once and crashes is not believed.
  rise: integer(1, 100).prefault(2).describe('Good probes in a row that bring it back.'),
})

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
})

const connect = mapping({
  // A lost SYN is sent again after 1 s and after 3 s: this allows for one.
  timeout: duration().prefault('3s').describe('Time for one endpoint to accept the connection.'),
  // A gateway restarts in less; people wait about as long.
  budget: duration()
    .prefault('10s')
    .describe('Time for all attempts of one connection; then the client is closed.'),
  // Two dead nodes of three are survived in one pass.
  attempts: integer(1, 100).prefault(3).describe('Distinct endpoints tried in a row before waiting.'),
  // Twenty times what a dial takes across zones, and a fourth of the first SYN retransmission: a lost SYN is not waited for.
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
    ),
})

const queue = mapping({
  // As Envoy's max_pending_requests.
  connections: integer(0, maxConnections)
    .prefault(1024)
    .describe('Connections that may wait, over all workers; the next one is reset.'),
  // As connect.budget: whatever a client waits for, it waits about as long.
  timeout: duration().prefault('10s').describe('The longest wait; then the client is reset.'),
})

const warm = mapping({
  // Off: within a site a dial costs less than a millisecond, and protocols in which the server speaks first have no use for it.
  connections: integer(0, 1000)
    .prefault(0)
    .describe('Connections to each endpoint that wait for a client; 0 is off.'),
  // Below the time that gateways give a client for its first bytes: nginx, APISIX and Kong 60 s, cautious settings 30 s.
  maxAge: duration()
    .prefault('25s')
    .describe(
      'They are replaced at this age. Keep it below what the gateway gives a client for its first bytes.',
    ),
})

// Long enough for a gateway to open its own connections and fill its caches.
const slowStart = '30s'

/** The keys of a pool that say where connections go. */
export const memberKeys = ['endpoints', 'kubernetes', 'dns', 'file'] as const

export const pool = mapping({
  endpoints: z
    .array(endpointForm)
    .min(1)
    .optional()
    .describe('Where connections go: `HOST:PORT`, or a mapping with `address`.'),
  kubernetes: kubernetesPool.optional().describe('Instead of `endpoints`: those of a Kubernetes Service.'),
  dns: dnsPool.optional().describe('Instead of `endpoints`: what name servers answer.'),
  file: z
    .union([shortFilePool, filePool])
    .optional()
    .describe('Instead of `endpoints`: what a file lists. A path, or a mapping with `path`.'),
  // Two random choices, the less loaded one: near to least-connections, without herding on a fresh endpoint.
  balance: choice(['p2c', 'round-robin', 'least-connections', 'source-hash'])
    .prefault('p2c')
    .describe('How an endpoint is chosen. source-hash keeps a client address on one endpoint.'),
  // Costs one connection every 2 s and finds a dead node without a client's help.
  health: z
    .union([offOrMapping('{ tcp: {} }', () => health.parse({})), health])
    .prefault({})
    .describe('Active probes, or `off`. Give at most one kind.'),
  outlier: z
    .union([offOrMapping('{ consecutiveFailures: 5 }', () => outlier.parse({})), outlier])
    .prefault({})
    .describe(
      'Ejection of endpoints whose connects fail, or that reset before the first byte, or `off`. Never more than half of the pool.',
    ),
  connect: connect.prefault({}).describe('How endpoints are connected to.'),
  queue: queue
    .prefault({})
    .describe('Where connections wait while every endpoint has the connections that it may have.'),
  warm: z
    .union([offOrMapping('{ connections: 8 }'), warm])
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
  sendProxyProtocol: choice(['off', 'v1', 'v2'])
    .prefault('off')
    .describe(
      "PROXY protocol header that tells the endpoint the client's address. The endpoint's port must expect it.",
    ),
  // As short as the TTLs that cluster DNS gives.
  refresh: duration()
    .prefault('5s')
    .describe('How often names in `endpoints` are looked up again; `dns` goes by the TTL instead.'),
}).meta({ [oneKeyOf]: memberKeys })

const listener = mapping({
  name: name().describe('Unique; in logs and metrics.'),
  listen: listenAddress().describe(
    'ADDRESS:PORT, an IPv6 address in brackets: "[::]:80" is every address, IPv4 too.',
  ),
  pool: name().describe('The pool that connections go to.'),
  maxConnections: connections()
    .optional()
    .describe('Connections of this listener; no limit of its own when left out.'),
})

// TCP_KEEPIDLE and TCP_KEEPINTVL are whole seconds up to 32767, TCP_KEEPCNT is at most 127: tcp(7), include/net/tcp.h.
const keepaliveTime = () => duration(1000, 32_767_000, 1000)
const keepalive = mapping({
  // Well below the 350 s after which cloud NAT gateways and load balancers forget a connection.
  idle: keepaliveTime().prefault('60s').describe('Silence before the first keepalive probe. Whole seconds.'),
  interval: keepaliveTime().prefault('15s').describe('Time between keepalive probes. Whole seconds.'),
  // 60 s + 4 x 15 s: a vanished peer is gone within two minutes.
  count: integer(1, 127).prefault(4).describe('Unanswered probes that end the connection.'),
})

const timeouts = mapping({
  // WebSockets and database sessions are silent for long; keepalive finds the dead ones sooner.
  idle: duration().prefault('1h').describe('Silence in both directions that ends a connection.'),
  // The other side has long had its last word.
  halfClose: duration()
    .prefault('60s')
    .describe('Silence that ends a connection after one side has finished sending.'),
  stall: duration()
    .optional()
    .describe('Ends a connection whose buffered bytes do not move. As `idle` when left out.'),
  // Twice a Wi-Fi that is away for a minute; the kernel itself would try for about 15 minutes (tcp_retries2).
  unacked: duration()
    .prefault('120s')
    .describe(
      'Ends a connection whose peer has acknowledged nothing for so long though bytes were sent to it.',
    ),
  keepalive: keepalive.prefault({}).describe('TCP keepalive on both sides.'),
})

const drain = mapping({
  // Load balancers need 2 or 3 failed checks to notice.
  notReadyDelay: duration(0)
    .prefault('10s')
    .describe('Not ready, but still accepting, for this long after SIGTERM.'),
  // Spreads reconnects, so that the other nodes see a slope and not a step.
  window: duration(0)
    .prefault('10s')
    .describe('The last part before `deadline`, in which idle connections are closed.'),
  // Kubernetes kills after 30 s.
  deadline: duration(0).prefault('25s').describe('What is left this long after SIGTERM is reset.'),
  // A request under way pauses for less.
  idleAfter: duration(0)
    .prefault('1s')
    .describe('Silence after which a connection counts as idle in the window.'),
})

const admin = mapping({
  socket: socketPath()
    .prefault('auto')
    .describe(
      'UNIX socket for `spliceway ready | status | reload | drain`: `auto`, `off` or an absolute path.',
    ),
  // Loopback: the page names endpoints. Not 9901, which cilium-envoy holds on Cilium nodes.
  listen: listenOrOff()
    .prefault('127.0.0.1:9981')
    .describe('ADDRESS:PORT for /livez, /readyz, /metrics and /status (GET only), or `off`.'),
  // None: an edge without gateways still answers, and says so in the log.
  readyRequires: z
    .array(name())
    .prefault([])
    .describe('Pools that need a usable endpoint for /readyz to say ready.'),
  // None: addresses and localhost are enough for probes and collectors, and a page of the web has neither.
  hosts: z
    .array(host())
    .prefault([])
    .describe(
      'Names by which `listen` may be asked for anything but /livez and /readyz, beside addresses and localhost.',
    ),
})

const handover = mapping({
  // Off: two instances on one host that know nothing of each other must not end one another.
  socket: abstractOrOff()
    .prefault('off')
    .describe(
      'Name at which the next process asks for the listening sockets, such as "@spliceway" (an abstract UNIX socket of the network namespace), or `off`.',
    ),
})

const log = mapping({
  level: choice(['debug', 'info', 'warn', 'error'])
    .prefault('info')
    .describe('The least severe messages to log.'),
  access: choice(['all', 'errors', 'none'], { on: 'all', off: 'none' })
    .prefault('all')
    .describe('Connections to log: one JSON line each. on: all. off: none.'),
})

export const schema = mapping({
  forward: z
    .record(z.string(), oneOrMore(endpointForm))
    .prefault({})
    .describe(
      'Short form: port or ADDRESS:PORT to an endpoint or a list. Makes a listener and a pool named port-PORT.',
    ),
  listeners: z.array(listener).prefault([]).describe('What is listened on.'),
  pools: z.record(z.string(), pool).prefault({}).describe('Groups of endpoints, by name.'),
  timeouts: timeouts.prefault({}).describe('When silent connections end.'),
  limits: mapping({
    connections: autoOr(1, maxConnections)
      .prefault('auto')
      .describe(
        'Connections of the whole program. auto: what the open-files limit and the memory limit allow.',
      ),
  })
    .prefault({})
    .describe('What the program may use.'),
  drain: drain.prefault({}).describe('What happens after SIGTERM. All times count from the signal.'),
  // 64 workers measured 719 MB; 256 is for machines that have the cores.
  workers: autoOr(1, 256)
    .prefault('auto')
    .describe('Threads that carry connections. auto: the cores, at most 4.'),
  plane: choice(['auto', 'net', 'splice'])
    .prefault('auto')
    .describe(
      'How bytes are moved: net is node:net, which runs everywhere; splice is epoll and splice(2), Linux only. auto: splice where its self-test passes.',
    ),
  kubernetes: kubernetes.prefault({}).describe('How pools with `kubernetes` reach the API server.'),
  admin: admin.prefault({}).describe('Health, metrics and control.'),
  handover: handover.prefault({}).describe('How the next process takes over without losing a connection.'),
  log: log.prefault({}).describe('What is logged.'),
})

/** A file that fits the schema, with defaults; build.ts makes a Config of it. */
export type Document = z.output<typeof schema>
export type PoolDocument = z.output<typeof pool>
