import { z } from 'zod'
import { logLevels } from '../core/log.ts'
import { planeNames } from '../core/message.ts'
import { accessLevels } from '../core/policy.ts'
import { abstractOrOff, autoOrPath, host, listenOrOff, name, socketPath } from './address-field.ts'
import { kubernetes } from './discovery-schema.ts'
import { endpoint } from './endpoint-schema.ts'
import { autoOr, autoOrConnections, choice, duration, flag } from './field.ts'
import { listener } from './listener-schema.ts'
import { pool } from './pool-schema.ts'
import { mapping, oneOrMore } from './shape.ts'
import { timeouts } from './timeouts-schema.ts'

/**
 * The configuration file: every key, its default and what it means, here and in the files *-schema.ts beside.
 * The types of config.ts, config/schema.json and the tests of config/reference.yaml come from this. Rules
 * that look at more than one field are in check.ts.
 */

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
  // Without it connections stay in the old process, which has to live until the last one has ended.
  sessions: choice(['move', 'keep'])
    .prefault('move')
    .describe(
      'What becomes of established connections when another process has taken over: `move`, they go on in it, where both can; or `keep`, they stay until they end.',
    ),
  // Auto: the uid alone is weak where containers on the host's network may have any.
  secret: autoOrPath()
    .prefault('auto')
    .describe(
      'File by which the next process proves that it belongs to this one, `auto` (beside the admin socket of `auto`) or an absolute path. It is made at first use; folder and file are for this user alone. Without a proof only listening sockets go over.',
    ),
})

const log = mapping({
  level: choice(logLevels).prefault('info').describe('The least severe messages to log.'),
  access: choice(accessLevels, { on: 'all', off: 'none' })
    .prefault('all')
    .describe('Connections to log: one JSON line each. on: all. off: none.'),
  // Off: it doubles the lines.
  connect: flag()
    .prefault('off')
    .describe('Also a line when a client is connected to its endpoint, for connections that last.'),
  empty: flag()
    .prefault('on')
    .describe('off: no line for a connection that carried no byte, as of a check, unless it failed.'),
})

export const schema = mapping({
  forward: z
    .record(z.string(), oneOrMore(endpoint))
    .prefault({})
    .describe(
      'Short form: port or ADDRESS:PORT to an endpoint or a list. Makes a listener and a pool named port-PORT.',
    ),
  listeners: z.array(listener).prefault([]).describe('What is listened on.'),
  pools: z.record(z.string(), pool).prefault({}).describe('Groups of endpoints, by name.'),
  timeouts: timeouts.prefault({}).describe('When connections end that do not end by themselves.'),
  limits: mapping({
    connections: autoOrConnections()
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
  plane: choice(['auto', ...planeNames])
    .prefault('auto')
    .describe(
      'How bytes are moved: net is node:net, which runs everywhere; splice is epoll and splice(2), Linux only. auto: splice where its self-test passes.',
    ),
  kubernetes: kubernetes.prefault({}).describe('How pools with `kubernetes` reach the API server.'),
  admin: admin.prefault({}).describe('Health, metrics and control.'),
  handover: handover.prefault({}).describe('How the next process takes over without losing a connection.'),
  log: log.prefault({}).describe('What is logged.'),
})

/** What the schema makes of a file: the parts of a Config, and forwards; draft.ts puts them together. */
export type Document = z.output<typeof schema>
