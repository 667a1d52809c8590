import type { z } from 'zod'
import type { Snapshot } from '../core/snapshot.ts'
import { duration, integer } from './field.ts'
import { mapping } from './shape.ts'

// TCP_KEEPIDLE and TCP_KEEPINTVL are whole seconds up to 32767, TCP_KEEPCNT is at most 127: tcp(7), include/net/tcp.h.
const keepaliveTime = () => duration(1000, 32_767_000, 1000)
const keepalive = mapping({
  // Well below the 350 s after which cloud NAT gateways and load balancers forget a connection.
  idle: keepaliveTime().prefault('60s').describe('Silence before the first keepalive probe. Whole seconds.'),
  interval: keepaliveTime().prefault('15s').describe('Time between keepalive probes. Whole seconds.'),
  // 60 s + 4 x 15 s: a vanished peer is gone within two minutes.
  count: integer(1, 127).prefault(4).describe('Unanswered probes that end the connection.'),
})

/** When silent connections end. */
export const timeouts = mapping({
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
}).transform(({ stallMs, ...rest }) => ({
  ...rest,
  stallMs: stallMs ?? rest.idleMs,
})) satisfies z.ZodType<Snapshot['timeouts']>
