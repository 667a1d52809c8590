import type { Timeouts } from '../core/snapshot.ts'
import type { Document } from './schema.ts'

/**
 * The configuration after parsing: every field is present, durations are milliseconds, addresses are split,
 * defaults are applied. All of it follows from the schema, which says what each key means: `hedgeAfter:
 * 250ms` is `hedgeAfterMs: 250`, what was left out and has no default is null.
 */
export type Config = Frozen<
  Omit<Document, 'forward' | 'listeners' | 'pools' | 'timeouts'> & {
    /** Each with the timeouts that are in force for it. */
    listeners: (Omit<Document['listeners'][number], 'timeouts'> & { timeouts: Timeouts })[]
    pools: (Document['pools'][string] & { name: string })[]
  }
>

export type ListenerConfig = Config['listeners'][number]

/** Its `endpoints` are empty when they are discovered, and its `discovery` is null when they are listed. */
export type PoolConfig = Config['pools'][number]
export type EndpointConfig = PoolConfig['endpoints'][number]
export type HealthConfig = PoolConfig['health']
/** Of a pool with passive ejection. */
export type OutlierConfig = NonNullable<PoolConfig['outlier']>
export type ConnectConfig = PoolConfig['connect']

/** Where endpoints are found. `allowSpecial`: special addresses too (core/special-address.ts). */
export type DiscoveryConfig = NonNullable<PoolConfig['discovery']>
export type KubernetesPoolConfig = Extract<DiscoveryConfig, { kind: 'kubernetes' }>
/** Which of a Service's endpoints come first. */
export type Locality = KubernetesPoolConfig['locality']
export type DnsPoolConfig = Extract<DiscoveryConfig, { kind: 'dns' }>
export type FilePoolConfig = Extract<DiscoveryConfig, { kind: 'file' }>
/** What all pools with `kubernetes` share. */
export type KubernetesConfig = Config['kubernetes']

export type TimeoutsConfig = ListenerConfig['timeouts']
export type DrainConfig = Config['drain']
export type AdminConfig = Config['admin']
export type HandoverConfig = Config['handover']

/** Nobody changes a configuration: another one takes its place. */
type Frozen<T> = T extends Uint8Array
  ? T
  : T extends readonly (infer Item)[]
    ? readonly Frozen<Item>[]
    : T extends object
      ? { readonly [Key in keyof T]: Frozen<T[Key]> }
      : T
