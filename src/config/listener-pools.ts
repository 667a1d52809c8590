import type { ListenerConfig } from './config.ts'

/** Every pool that a listener's connections may go to, once each. */
export function poolsOf({ pool, routes }: ListenerConfig): readonly string[] {
  const named = routes.map((route) => route.pool)
  return [...new Set(pool === null ? named : [...named, pool])]
}
