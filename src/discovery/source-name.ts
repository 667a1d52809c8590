import type { DiscoveryConfig } from '../config/config.ts'

/**
 * What people call a source: `dns gateways.example.net SRV`, `kubernetes gateway/apisix http`, `file
 * /etc/gateways.yaml`.
 */
export function sourceName(discovery: DiscoveryConfig): string {
  switch (discovery.kind) {
    case 'kubernetes': {
      const { namespace, service, port } = discovery
      return `kubernetes ${namespace}/${service} ${port}`.trimEnd()
    }
    case 'dns':
      return `dns ${discovery.name} ${discovery.records.type === 'SRV' ? 'SRV' : discovery.families.join('+')}`
    case 'file':
      return `file ${discovery.path}`
  }
}
