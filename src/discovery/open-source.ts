import type { DiscoveryConfig, KubernetesConfig } from '../config/config.ts'
import type { Source, SourceDeps } from './source.ts'

export interface SourceRequest {
  /** For the log. */
  readonly pool: string
  readonly discovery: DiscoveryConfig
  readonly kubernetes: KubernetesConfig
}

export type OpenSource = (request: SourceRequest, deps: SourceDeps) => Promise<Source>

/** Starts the source that a pool asks for. A promise, because only the code that is asked for is loaded. */
export const openSource: OpenSource = async ({ pool, discovery, kubernetes }, deps) => {
  switch (discovery.kind) {
    case 'dns': {
      const { dnsSource } = await import('./dns/dns-source.ts')
      return dnsSource(pool, discovery, deps)
    }
    case 'file': {
      const { fileSource } = await import('./file-source.ts')
      return fileSource(pool, discovery, deps)
    }
    case 'kubernetes': {
      const { openKubernetes } = await import('./kubernetes/open.ts')
      return openKubernetes(pool, discovery, kubernetes, deps)
    }
  }
}
