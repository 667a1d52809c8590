import type { Registry } from 'prom-client'
import type { Family } from './family.ts'
import type { MetricsSource } from './metrics-source.ts'
import { processFamilies } from './process-families.ts'
import { trafficFamilies } from './traffic-families.ts'

export type { EndpointSource, MetricsSource } from './metrics-source.ts'

export interface Metrics {
  readonly contentType: string
  /** The text of one scrape. Rejects only when a source throws. */
  render(): Promise<string>
}

/**
 * The metrics of the program in Prometheus' text format. The shared rows count, prom-client renders: it is
 * loaded with the first scrape, because it costs start time, and no connection ever touches it.
 */
export function createMetrics(source: MetricsSource): Metrics {
  let registry: Promise<Registry> | undefined
  return {
    contentType: 'text/plain; version=0.0.4; charset=utf-8',
    async render() {
      registry ??= load([...trafficFamilies(source), ...processFamilies(source.openFileLimit)])
      return (await registry).metrics()
    },
  }
}

async function load(families: readonly Family[]): Promise<Registry> {
  const { Gauge, Registry } = await import('prom-client')
  const registry = new Registry()
  for (const { name, help, type, collect } of families) {
    // A registry renders whatever get() says. prom-client has no way to set a histogram's buckets, nor to set
    // a counter, so each family is registered as a gauge and answers for itself.
    const metric = new Gauge<string>({ name, help, registers: [registry] })
    metric.get = async () => ({
      name,
      help,
      type,
      aggregator: 'sum',
      collect() {},
      values: collect().map(({ suffix, labels, value }) => ({ metricName: name + suffix, labels, value })),
    })
  }
  return registry
}
