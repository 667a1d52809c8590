/**
 * The configuration after parsing: every field is present, durations are milliseconds, addresses are split, defaults
 * are applied. The text form is described by schema.ts.
 */
export interface Config {
  readonly listeners: readonly ListenerConfig[]
  readonly pools: readonly PoolConfig[]
  readonly timeouts: TimeoutsConfig
  readonly limits: { readonly connections: number | 'auto' }
  readonly drain: DrainConfig
  readonly workers: number | 'auto'
  readonly plane: 'auto' | 'net' | 'splice'
  readonly kubernetes: KubernetesConfig
  readonly admin: AdminConfig
  /** The abstract name of the hand-over without its `@`; null: off. */
  readonly handover: { readonly socket: string | null }
  readonly log: LogConfig
}

export interface ListenerConfig {
  readonly name: string
  /** A literal IP address without brackets (`::`, `0.0.0.0`, `127.0.0.1`) and a port; port 0 lets the kernel choose. */
  readonly host: string
  readonly port: number
  readonly pool: string
  /** null: no limit of its own. */
  readonly maxConnections: number | null
}

export interface PoolConfig {
  readonly name: string
  /** Empty when they are discovered. */
  readonly endpoints: readonly EndpointConfig[]
  /** null: `endpoints` lists them. */
  readonly discovery: DiscoveryConfig | null
  readonly balance: BalanceKind
  readonly health: HealthConfig
  /** null: passive ejection is off. */
  readonly outlier: OutlierConfig | null
  readonly connect: ConnectConfig
  readonly queue: QueueConfig
  /** null: connections are dialed when a client comes. */
  readonly warm: WarmConfig | null
  /** How long a recovered or new endpoint takes to its full share of connections; 0: it has it at once. */
  readonly slowStartMs: number
  readonly onRemoval: 'keep' | 'close'
  readonly onDown: 'keep' | 'close' | 'reset'
  /** While probes call every endpoint down, all are tried; false: clients wait. */
  readonly panic: boolean
  readonly onFailback: 'keep' | 'close'
  readonly sendProxyProtocol: ProxyProtocol
  /** How often names in `endpoints` are looked up again; a name in several pools as often as the shortest says. */
  readonly refreshMs: number
}

/** Where endpoints are found. `allowSpecial`: special addresses too (core/special-address.ts). */
export type DiscoveryConfig = KubernetesPoolConfig | DnsPoolConfig | FilePoolConfig

export interface KubernetesPoolConfig {
  readonly kind: 'kubernetes'
  readonly namespace: string
  readonly service: string
  /** Name of the Service's port; empty: its only port has no name. */
  readonly port: string
  readonly locality: Locality
  readonly allowSpecial: boolean
}

export type Locality = 'any' | 'prefer-node' | 'prefer-zone' | 'node-only'

export interface DnsPoolConfig {
  readonly kind: 'dns'
  /** Absolute, in lower case, without the final dot. */
  readonly name: string
  readonly records:
    | { readonly type: 'address'; readonly port: number }
    /** The answer has the ports. */
    | { readonly type: 'SRV' }
  /** Which addresses are asked for, of the name or of the targets of its SRV records. At least one. */
  readonly families: readonly ('A' | 'AAAA')[]
  /** How long an endpoint stays that an answer no longer has. */
  readonly holdMs: number
  /** `10.96.0.10`, `127.0.0.1:8600`, `[::1]:53`; empty: those of resolv.conf. */
  readonly servers: readonly string[]
  readonly allowSpecial: boolean
}

export interface FilePoolConfig {
  readonly kind: 'file'
  /** Absolute. */
  readonly path: string
  readonly allowSpecial: boolean
}

/** What all pools with `kubernetes` share; null: not given. */
export interface KubernetesConfig {
  /** Without a slash at the end; null: the kubeconfig's, or that of the cluster that this runs in. */
  readonly apiServer: string | null
  readonly kubeconfig: string | null
  readonly node: string | null
  readonly zone: string | null
  /** Folder that keeps the last answers, a file for each pool. */
  readonly snapshots: string | null
}

export type BalanceKind = 'p2c' | 'round-robin' | 'least-connections' | 'source-hash'
export type ProxyProtocol = 'off' | 'v1' | 'v2'

export interface EndpointConfig {
  /** A literal IP address without brackets, or a name. */
  readonly host: string
  readonly port: number
  /** 0 is tried first. */
  readonly priority: number
  readonly weight: number
  readonly maxConnections: number | null
}

export interface HealthConfig {
  readonly probe: ProbeConfig
  readonly intervalMs: number
  /** While it is in doubt how the endpoint is; at most `intervalMs`. */
  readonly fastIntervalMs: number
  readonly timeoutMs: number
  readonly fall: number
  readonly rise: number
}

export type ProbeConfig =
  | { readonly kind: 'off' }
  | {
      readonly kind: 'tcp'
      readonly port: number | null
      /** How it ends its connection. */
      readonly close: 'fin' | 'reset'
    }
  | {
      readonly kind: 'http'
      /** null: the endpoint's own port. */
      readonly port: number | null
      readonly secure: boolean
      readonly path: string
      /** Statuses that mean healthy. */
      readonly status: readonly number[]
      /** null: the endpoint's address. Also the SNI name of a secure probe when it is a name. */
      readonly host: string | null
    }
  | { readonly kind: 'tls'; readonly port: number | null; readonly serverName: string | null }

export interface OutlierConfig {
  readonly consecutiveFailures: number
  readonly baseEjectionMs: number
  readonly maxEjectionMs: number
}

export interface ConnectConfig {
  /** For one endpoint. */
  readonly timeoutMs: number
  /** For all attempts of one connection. */
  readonly budgetMs: number
  /** Distinct endpoints tried in a row before waiting. */
  readonly attempts: number
  /** Local literal IP addresses, used in turn; empty: the kernel chooses. */
  readonly source: readonly string[]
  /** With no answer after this long, another endpoint is dialed beside; at `timeoutMs` or above: never. */
  readonly hedgeAfterMs: number
}

/** For connections that find every endpoint at its maxConnections. */
export interface QueueConfig {
  /** 0: they are reset at once. */
  readonly connections: number
  readonly timeoutMs: number
}

export interface WarmConfig {
  /** To each endpoint, over all workers. */
  readonly connections: number
  readonly maxAgeMs: number
}

export interface TimeoutsConfig {
  readonly idleMs: number
  readonly halfCloseMs: number
  readonly stallMs: number
  readonly unackedMs: number
  readonly keepalive: KeepaliveConfig
}

export interface KeepaliveConfig {
  readonly idleMs: number
  readonly intervalMs: number
  readonly count: number
}

export interface DrainConfig {
  readonly notReadyDelayMs: number
  readonly windowMs: number
  readonly deadlineMs: number
  readonly idleAfterMs: number
}

export interface AdminConfig {
  /** `off`: no UNIX socket. */
  readonly socket:
    | { readonly kind: 'auto' }
    | { readonly kind: 'off' }
    | { readonly kind: 'path'; readonly path: string }
  /** null: no TCP admin page. */
  readonly listen: { readonly host: string; readonly port: number } | null
  readonly readyRequires: readonly string[]
  /** In lower case. */
  readonly hosts: readonly string[]
}

export interface LogConfig {
  readonly level: LogLevel
  readonly access: AccessLog
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
export type AccessLog = 'all' | 'errors' | 'none'
