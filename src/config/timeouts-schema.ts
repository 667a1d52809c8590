import type { z } from 'zod'
import type { Timeouts } from '../core/snapshot.ts'
import { duration, durationOrOff, integer } from './field.ts'
import { mapping } from './shape.ts'

// TCP_KEEPIDLE and TCP_KEEPINTVL are whole seconds up to 32767, TCP_KEEPCNT is at most 127: tcp(7),
// include/net/tcp.h.
const keepaliveTime = () => duration(1000, 32_767_000, 1000)
const keepalive = mapping({
  // Well below the 350 s after which cloud NAT gateways and load balancers forget a connection.
  idle: keepaliveTime().prefault('60s').describe('Silence before the first keepalive probe. Whole seconds.'),
  interval: keepaliveTime().prefault('15s').describe('Time between keepalive probes. Whole seconds.'),
  // 60 s + 4 x 15 s: a vanished peer is gone within two minutes.
  count: integer(1, 127).prefault(4).describe('Unanswered probes that end the connection.'),
})

/** When connections end that do not end by themselves. */
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
  // A connection that is in use must not end because of its age, unless someone asks for it.
  session: durationOrOff(null)
    .prefault('off')
    .describe(
      'The longest life of a connection, up to a tenth shorter at random, or `off`. FIN to both sides, and RST `halfClose` later.',
    ),
  keepalive: keepalive.prefault({}).describe('TCP keepalive on both sides.'),
})

/** Those of a listener: what is left out is as for the whole program. */
export const listenerTimeouts = mapping({
  idle: duration().optional().describe('As `timeouts.idle`.'),
  halfClose: duration().optional().describe('As `timeouts.halfClose`.'),
  stall: duration().optional().describe('As `timeouts.stall`.'),
  unacked: duration().optional().describe('As `timeouts.unacked`.'),
  session: durationOrOff(null).optional().describe('As `timeouts.session`.'),
  keepalive: mapping({
    idle: keepaliveTime().optional().describe('As `timeouts.keepalive.idle`.'),
    interval: keepaliveTime().optional().describe('As `timeouts.keepalive.interval`.'),
    count: integer(1, 127).optional().describe('As `timeouts.keepalive.count`.'),
  })
    .optional()
    .describe('As `timeouts.keepalive`, key by key.'),
})

/** What the connections of a listener have; `own`: null when it says nothing of its own. */
export function timeoutsOf(
  program: z.output<typeof timeouts>,
  own: z.output<typeof listenerTimeouts> | null,
): Timeouts {
  const idleMs = own?.idleMs ?? program.idleMs
  return {
    idleMs,
    halfCloseMs: own?.halfCloseMs ?? program.halfCloseMs,
    // Written for neither, it follows the `idle` that is in force here.
    stallMs: own?.stallMs ?? program.stallMs ?? idleMs,
    unackedMs: own?.unackedMs ?? program.unackedMs,
    sessionMs: own?.sessionMs ?? program.sessionMs,
    keepalive: {
      idleMs: own?.keepalive?.idleMs ?? program.keepalive.idleMs,
      intervalMs: own?.keepalive?.intervalMs ?? program.keepalive.intervalMs,
      count: own?.keepalive?.count ?? program.keepalive.count,
    },
  }
}
