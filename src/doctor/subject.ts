import type { Config } from '../config/config.ts'
import { joinHostPort, parseIp } from '../core/address.ts'
import type { ProxyProtocol } from '../core/policy.ts'
import type { Status } from '../core/status.ts'

/** What spliceway is to do on this node, as far as the doctor cares. */
export interface Subject {
  /** `config/edge.yaml`, `the running process`, or null: only the node is looked at. */
  readonly source: string | null
  readonly listeners: readonly SubjectListener[]
  readonly pools: readonly SubjectPool[]
  /** Of the admin page; null: off, or not known. */
  readonly admin: { readonly host: string; readonly port: number } | null
  /** Asked for; null: not known. */
  readonly connections: Config['limits']['connections'] | null
  /** Asked for; null: not known. */
  readonly plane: Config['plane'] | null
}

export interface SubjectListener {
  readonly name: string
  /** A literal address. */
  readonly host: string
  readonly port: number
  /** What no route takes goes there; null: that is refused. */
  readonly pool: string | null
}

export interface SubjectPool {
  readonly name: string
  /** null: a source finds them, and nobody runs who could say what it found. */
  readonly endpoints: readonly { readonly host: string; readonly port: number }[] | null
  /** null: not known. */
  readonly sendProxyProtocol: ProxyProtocol | null
  readonly warm: boolean
  /** Connections to it begin at the client's address; false: not known either. */
  readonly transparent: boolean
}

/** Nothing is configured: only what is true of the node itself is looked at. */
export const nobody: Subject = {
  source: null,
  listeners: [],
  pools: [],
  admin: null,
  connections: null,
  plane: null,
}

/** What a valid configuration asks for. Endpoints that a source finds are taken from `running`. */
export function subjectOf(config: Config, source: string, running: Status | null): Subject {
  const { listeners, pools, admin, limits, plane } = config
  return {
    source,
    listeners: listeners.filter(({ port }) => port !== 0),
    pools: pools.map(({ name, endpoints, discovery, sendProxyProtocol, warm, transparent }) => ({
      name,
      endpoints:
        discovery === null ? endpoints.filter((endpoint) => 'host' in endpoint) : foundBy(running, name),
      sendProxyProtocol,
      warm: warm !== null,
      transparent,
    })),
    admin: admin.listen === null ? null : { host: admin.listen.host, port: admin.listen.port },
    connections: limits.connections,
    plane,
  }
}

/** What a process that runs without a file says of itself. */
export function subjectOfStatus(status: Status): Subject {
  return {
    ...nobody,
    source: 'the running process',
    listeners: status.listeners.flatMap(({ name, address, pool }) => {
      const at = hostPort(address)
      return at === null ? [] : [{ name, pool, ...at }]
    }),
    pools: status.pools.map(({ name }) => ({
      name,
      endpoints: foundBy(status, name),
      sendProxyProtocol: null,
      warm: false,
      transparent: false,
    })),
  }
}

function foundBy(status: Status | null, pool: string): SubjectPool['endpoints'] {
  const found = status?.pools.find(({ name }) => name === pool)
  return found?.endpoints.flatMap(({ endpoint }) => hostPort(endpoint) ?? []) ?? null
}

/** `[::]:80` and `name:80` into their parts; null: neither. */
export function hostPort(text: string): { readonly host: string; readonly port: number } | null {
  const [, bracketed, plain, port] = /^(?:\[(.+)\]|([^:[\]]+)):(\d+)$/.exec(text) ?? []
  const host = bracketed ?? plain
  return host === undefined ? null : { host, port: Number(port) }
}

export function listenText({ host, port }: { readonly host: string; readonly port: number }): string {
  return joinHostPort(host, port)
}

/** 0.0.0.0 or ::, which here is IPv4 too. */
export function isAny(host: string): boolean {
  return parseIp(host)?.bytes.every((byte) => byte === 0) ?? false
}
