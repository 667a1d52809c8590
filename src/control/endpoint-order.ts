import type { Config } from '../config/config.ts'
import type { Log } from '../core/log.ts'
import { durationText } from '../core/wording.ts'
import type { Registry } from './registry/registry.ts'

/** What came of it: `message` for whoever asked, `warning` what he should think about. */
export interface Ordered {
  readonly ok: boolean
  readonly message: string
  readonly warning?: string
}

/** Takes an endpoint out of use for new connections, or back. Not ok: there is no such pool or endpoint. */
export function orderEndpoint(
  pool: string,
  endpoint: string,
  action: 'drain' | 'ready',
  { registry, config, log }: { readonly registry: Registry; readonly config: Config; readonly log: Log },
): Ordered {
  const result = registry[action](pool, endpoint)
  if (!result.ok) return result
  const drained = `draining: it gets no new connections, and existing ones ${removal(pool, config)}`
  const state = action === 'drain' ? drained : 'in use'
  const told = `endpoint ${endpoint} of pool ${pool} is ${state}`
  const message = result.changed ? told : `${told} (it was already)`
  if (action === 'ready' || registry.usable(pool) > 0) return { ok: true, message }
  const warning = `pool ${pool} has no usable endpoint left`
  if (result.changed) log.warn({ pool, endpoint }, warning)
  return { ok: true, message, warning }
}

/** What happens to the connections of an endpoint that leaves. */
function removal(pool: string, { pools, drain }: Config): string {
  const closing = pools.some(({ name, onRemoval }) => name === pool && onRemoval === 'close')
  return closing ? `are closed over ${durationText(drain.windowMs)}` : 'go on'
}
