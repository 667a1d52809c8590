import { z } from 'zod'
import { host, requestPath, serverName } from './address-field.ts'
import { choice, duration, integer, offOrMapping } from './field.ts'
import { mapping, oneOrMore } from './shape.ts'

/** Active probes of a pool's endpoints. */

const probePort = () =>
  integer(1, 65_535)
    .optional()
    .describe(
      "Port to probe; the endpoint's own when left out. Gateways often answer readiness on another one.",
    )

const webProbe = (secure: boolean) =>
  mapping({
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
  }).transform((rest) => ({ kind: 'http' as const, secure, ...rest }))

const tlsProbe = mapping({
  port: probePort(),
  serverName: serverName().optional().describe('Server name (SNI) to ask for.'),
}).transform((rest) => ({ kind: 'tls' as const, ...rest }))

const tcpProbe = mapping({
  port: probePort(),
  // The endpoint accepts the connection, so the whole of it is known to work, and nobody on the way takes it
  // for an attack.
  close: choice(['fin', 'reset'])
    .prefault('fin')
    .describe(
      'How it ends its connection. reset: before the handshake is over, so that the endpoint is told of no connection. For MariaDB and MySQL, which block a host after 100 that say nothing.',
    ),
}).transform((rest) => ({ kind: 'tcp' as const, ...rest }))

/** Of these a pool has one: check.ts refuses a second. */
const probes = {
  tcp: tcpProbe.optional().describe('Healthy when a connection is accepted. The default.'),
  http: webProbe(false).optional().describe('Healthy when a GET is answered with `status`.'),
  https: webProbe(true).optional().describe('As http, over TLS.'),
  tls: tlsProbe.optional().describe('Healthy when a TLS handshake succeeds.'),
}
export const probeKinds: readonly string[] = Object.keys(probes)

/**
 * With fall 3, a doubt is settled half a second after the first probe that failed; four probes a second are
 * no load.
 */
const usualFastIntervalMs = 250

const probing = mapping({
  ...probes,
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
}).transform(({ tcp, http, https, tls, fastIntervalMs, ...rest }) => ({
  ...rest,
  probe: first(http, https, tls, tcp),
  fastIntervalMs: fastIntervalMs ?? Math.min(usualFastIntervalMs, rest.intervalMs),
}))

type Probe =
  | z.output<typeof tcpProbe>
  | z.output<ReturnType<typeof webProbe>>
  | z.output<typeof tlsProbe>
  | { kind: 'off' }

function first(...given: readonly (Probe | null)[]): Probe {
  return given.find((probe) => probe !== null) ?? tcpProbe.parse({})
}

const usual = () => probing.parse({})
const off = () => ({ ...usual(), probe: { kind: 'off' } as const satisfies Probe })

/** A mapping or `off`. */
export const health = z.union([offOrMapping('{ tcp: {} }', off, usual), probing])
