import type {
  Config,
  DiscoveryConfig,
  EndpointConfig,
  HealthConfig,
  ListenerConfig,
  PoolConfig,
  ProbeConfig,
} from './config.ts'
import { parseForwardKey } from './forward-key.ts'
import {
  type Document,
  fastIntervalMs as defaultFastIntervalMs,
  health as healthSchema,
  type PoolDocument,
  pool as poolSchema,
  tcpProbe,
} from './schema.ts'
import type { Path } from './tree.ts'

/** A Config that is not checked yet, and where its parts were written. */
export interface Draft {
  readonly config: Config
  readonly listeners: readonly ListenerDraft[]
  readonly pools: readonly PoolDraft[]
}

export interface ListenerDraft {
  readonly config: ListenerConfig
  /** `['listeners', 0]` or `['forward', '80']`. */
  readonly at: Path
}

export interface PoolDraft {
  readonly config: PoolConfig
  /** `['pools', 'web']` or `['forward', '80']`. */
  readonly at: Path
  /** The list of endpoints; a forward's only endpoint may stand there without a list. */
  readonly endpointsAt: Path
}

type EndpointDocument = NonNullable<PoolDocument['endpoints']>[number]
type HealthDocument = Exclude<PoolDocument['health'], 'off'>

/** Flattens the file's forms: a forward becomes a listener and a pool. A forward with a bad key is left out. */
export function build(document: Document): Draft {
  const listeners: ListenerDraft[] = []
  const pools: PoolDraft[] = []
  // A forward's pool has the schema's defaults, so that there is one place for them; its endpoints replace this one.
  const defaults = poolSchema.parse({ endpoints: ['127.0.0.1:1'] })
  for (const [key, endpoints] of Object.entries(document.forward)) {
    const parsed = parseForwardKey(key)
    if (parsed.kind === 'refused') continue
    const { name, host, port } = parsed.value
    const at = ['forward', key]
    listeners.push({ config: { name, host, port, pool: name, maxConnections: null }, at })
    pools.push({ config: buildPool(name, { ...defaults, endpoints }), at, endpointsAt: at })
  }
  for (const [i, { name, listen, pool, maxConnections }] of document.listeners.entries()) {
    const config = { name, ...listen, pool, maxConnections: maxConnections ?? null }
    listeners.push({ config, at: ['listeners', i] })
  }
  for (const [name, pool] of Object.entries(document.pools)) {
    const at = ['pools', name]
    pools.push({ config: buildPool(name, pool), at, endpointsAt: [...at, 'endpoints'] })
  }
  return { config: buildConfig(document, listeners, pools), listeners, pools }
}

function buildConfig(
  document: Document,
  listeners: readonly ListenerDraft[],
  pools: readonly PoolDraft[],
): Config {
  const { timeouts, drain, admin, handover, limits, workers, plane, kubernetes, log } = document
  return {
    listeners: listeners.map(({ config }) => config),
    pools: pools.map(({ config }) => config),
    timeouts: {
      idleMs: timeouts.idle,
      halfCloseMs: timeouts.halfClose,
      stallMs: timeouts.stall ?? timeouts.idle,
      unackedMs: timeouts.unacked,
      keepalive: {
        idleMs: timeouts.keepalive.idle,
        intervalMs: timeouts.keepalive.interval,
        count: timeouts.keepalive.count,
      },
    },
    limits,
    drain: {
      notReadyDelayMs: drain.notReadyDelay,
      windowMs: drain.window,
      deadlineMs: drain.deadline,
      idleAfterMs: drain.idleAfter,
    },
    workers,
    plane,
    kubernetes: {
      apiServer: kubernetes.apiServer,
      kubeconfig: kubernetes.kubeconfig ?? null,
      node: kubernetes.node ?? null,
      zone: kubernetes.zone ?? null,
      snapshots: kubernetes.snapshots ?? null,
    },
    admin,
    handover,
    log,
  }
}

function buildPool(name: string, pool: PoolDocument): PoolConfig {
  const { outlier, connect, warm } = pool
  return {
    name,
    endpoints: (pool.endpoints ?? []).map(buildEndpoint),
    discovery: buildDiscovery(pool),
    balance: pool.balance,
    health: buildHealth(pool.health),
    outlier:
      outlier === 'off'
        ? null
        : {
            consecutiveFailures: outlier.consecutiveFailures,
            baseEjectionMs: outlier.baseEjection,
            maxEjectionMs: outlier.maxEjection,
          },
    connect: {
      timeoutMs: connect.timeout,
      budgetMs: connect.budget,
      attempts: connect.attempts,
      source: connect.source,
      hedgeAfterMs: connect.hedgeAfter,
    },
    queue: { connections: pool.queue.connections, timeoutMs: pool.queue.timeout },
    warm:
      warm === 'off' || warm.connections === 0
        ? null
        : { connections: warm.connections, maxAgeMs: warm.maxAge },
    slowStartMs: pool.slowStart,
    onRemoval: pool.onRemoval,
    onDown: pool.onDown,
    panic: pool.panic,
    onFailback: pool.onFailback,
    sendProxyProtocol: pool.sendProxyProtocol,
    refreshMs: pool.refresh,
  }
}

function buildEndpoint({ address, priority, weight, maxConnections }: EndpointDocument): EndpointConfig {
  return { ...address, priority, weight, maxConnections: maxConnections ?? null }
}

/** check-discovery.ts refuses more than one of them, and none beside no endpoints. */
function buildDiscovery({ kubernetes, dns, file }: PoolDocument): DiscoveryConfig | null {
  if (kubernetes !== undefined) {
    const { service, ...rest } = kubernetes
    return { kind: 'kubernetes', namespace: service.namespace, service: service.name, ...rest }
  }
  if (dns !== undefined) {
    const { name, port, type, family, hold, servers, allowSpecial } = dns
    // check-discovery.ts refuses addresses without a port, and a family that is not the type's.
    const records = type === 'SRV' ? { type } : ({ type: 'address', port: port ?? 0 } as const)
    const families = type === 'A' || type === 'AAAA' ? [type] : familiesOf[family]
    return { kind: 'dns', name, records, families, holdMs: hold, servers, allowSpecial }
  }
  return file === undefined ? null : { kind: 'file', ...file }
}

const familiesOf = { any: ['A', 'AAAA'], ipv4: ['A'], ipv6: ['AAAA'] } as const

function buildHealth(health: PoolDocument['health']): HealthConfig {
  const { interval, fastInterval, timeout, fall, rise } = health === 'off' ? healthSchema.parse({}) : health
  const probe: ProbeConfig = health === 'off' ? { kind: 'off' } : buildProbe(health)
  return {
    probe,
    intervalMs: interval,
    fastIntervalMs: fastInterval ?? Math.min(defaultFastIntervalMs, interval),
    timeoutMs: timeout,
    fall,
    rise,
  }
}

/** check.ts refuses more than one. */
function buildProbe({ tcp, http, https, tls }: HealthDocument): ProbeConfig {
  const web = http ?? https
  if (web !== undefined) {
    const { port, path, status, host } = web
    return { kind: 'http', port: port ?? null, secure: http === undefined, path, status, host: host ?? null }
  }
  if (tls !== undefined) return { kind: 'tls', port: tls.port ?? null, serverName: tls.serverName ?? null }
  const { port, close } = tcp ?? tcpProbe.parse({})
  return { kind: 'tcp', port: port ?? null, close }
}
