import type { Endpoints } from './control/endpoints.ts'
import type { ListenerRules } from './control/listener-rules.ts'
import type { DataPlane } from './control/workers/data-plane.ts'
import type { Metrics } from './telemetry/metrics.ts'
import type { MetricsSource } from './telemetry/metrics-source.ts'

/** What the metrics are made from, apart from what App itself knows. */
export interface Measured
  extends Omit<
    MetricsSource,
    'listeners' | 'rangeFiles' | 'endpoints' | 'unresolved' | 'poolTimes' | 'discovery' | 'healthChecks'
  > {
  readonly parts: {
    readonly dataPlane: DataPlane
    readonly rules: ListenerRules
    readonly endpoints: Endpoints
  }
}

/** The metrics of the program. What renders them is loaded with the first scrape: it costs start time. */
export async function measure({ parts, ...source }: Measured): Promise<Metrics> {
  const { dataPlane, rules, endpoints } = parts
  const { registry } = endpoints
  const { createMetrics } = await import('./telemetry/metrics.ts')
  return createMetrics({
    ...source,
    listeners: () => dataPlane.slots.all(),
    rangeFiles: () => rules.files(),
    endpoints: () => registry.endpoints(),
    unresolved: () => registry.unresolved(),
    poolTimes: () => registry.poolTimes(),
    discovery: () =>
      endpoints
        .status()
        .flatMap(({ name: pool, discovery }) => (discovery === null ? [] : [{ pool, ...discovery }])),
    healthChecks: () => registry.healthChecks(),
  })
}
