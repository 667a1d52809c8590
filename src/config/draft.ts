import type { Config, ListenerConfig, PoolConfig } from './config.ts'
import { parseForwardKey } from './forward-key.ts'
import { listener as listenerSchema } from './listener-schema.ts'
import { pool as poolSchema } from './pool-schema.ts'
import type { Document } from './schema.ts'
import { timeoutsOf } from './timeouts-schema.ts'
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

/**
 * Flattens the file's forms: a forward becomes a listener and a pool. A forward with a bad key is left out.
 */
export function draftOf(document: Document): Draft {
  const { forward, listeners: longListeners, pools: longPools, timeouts, ...rest } = document
  const listeners: ListenerDraft[] = []
  const pools: PoolDraft[] = []
  // What a forward does not say is as the schema has it, so that there is one place for defaults.
  const usual = listenerSchema.parse({ name: 'any', listen: '127.0.0.1:1', pool: 'any' })
  const listener = { ...usual, timeouts: timeoutsOf(timeouts, null) }
  const pool = poolSchema.parse({})
  for (const [key, endpoints] of Object.entries(forward)) {
    const parsed = parseForwardKey(key)
    if (parsed.kind === 'refused') continue
    const { name } = parsed.value
    const at = ['forward', key]
    listeners.push({ config: { ...listener, ...parsed.value, pool: name }, at })
    pools.push({ config: { ...pool, name, endpoints }, at, endpointsAt: at })
  }
  for (const [i, { timeouts: own, ...config }] of longListeners.entries()) {
    listeners.push({ config: { ...config, timeouts: timeoutsOf(timeouts, own) }, at: ['listeners', i] })
  }
  for (const [name, pool] of Object.entries(longPools)) {
    const at = ['pools', name]
    pools.push({ config: { ...pool, name }, at, endpointsAt: [...at, 'endpoints'] })
  }
  const config = {
    ...rest,
    listeners: listeners.map(({ config }) => config),
    pools: pools.map(({ config }) => config),
  }
  return { config, listeners, pools }
}
