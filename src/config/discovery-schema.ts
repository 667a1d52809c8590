// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of the configuration
import { z } from 'zod'
import {
  absolutePath,
  apiServer,
  dnsName,
  filledText,
  nameServer,
  service,
  servicePort,
} from './discovery-field.ts'
import { choice, duration, flag, integer } from './field.ts'
import { mapping } from './shape.ts'

/**
 * The keys of a pool that say where its endpoints are found, and the key for what the Kubernetes ones share.
 */

const allowSpecial = () =>
  flag()
    // The program lives in the host's network: whoever writes a record must not reach what only this host
    // may.
    .prefault(false)
    .describe(
      'Accept found addresses that are special: loopback, link-local, multicast, reserved, unspecified, or of a metadata service.',
    )

export const kubernetesPool = mapping({
  service: service().describe('NAMESPACE/NAME of a Service: its EndpointSlices are watched.'),
  // A Service with one port need not name it.
  port: servicePort()
    .prefault('')
    .describe("Name of the Service's port; left out for a Service whose only port has no name."),
  locality: choice(['any', 'prefer-node', 'prefer-zone', 'node-only'])
    .prefault('any')
    .describe(
      'Which endpoints: all; those of this node or zone while there are any; those of this node and no others.',
    ),
  allowSpecial: allowSpecial(),
}).transform(({ service, ...rest }) => ({
  kind: 'kubernetes' as const,
  namespace: service.namespace,
  service: service.name,
  ...rest,
}))

const familyTypes = { any: ['A', 'AAAA'], ipv4: ['A'], ipv6: ['AAAA'] } as const

export const dnsPool = mapping({
  name: dnsName().describe(
    'An absolute name: search domains and the hosts file do not apply. For SRV as in _https._tcp.example.net.',
  ),
  port: integer(1, 65_535)
    .optional()
    .describe("The endpoints' port for A and AAAA; an SRV answer has its own."),
  type: choice(['A', 'AAAA', 'SRV'])
    .optional()
    .describe('The records to ask for; those that `family` says when left out.'),
  // A name that has both families has both for a reason; probes find the one that does not work from here.
  family: choice(['any', 'ipv4', 'ipv6'])
    .prefault('any')
    .describe('Addresses to ask for, of the name or of the targets of its SRV records. any: A and AAAA.'),
  // What an answer no longer has has mostly gone.
  hold: duration(0)
    .prefault('0s')
    .describe(
      'How long an endpoint stays that an answer no longer has: for servers that tell a changing part, such as Consul.',
    ),
  servers: z
    .array(nameServer())
    .prefault([])
    .describe('Name servers to ask, ADDRESS or ADDRESS:PORT; those of resolv.conf when left out.'),
  allowSpecial: allowSpecial(),
}).transform(({ type, port, family, ...rest }) => ({
  kind: 'dns' as const,
  ...rest,
  // check-discovery.ts refuses addresses without a port, and a family that is not the type's.
  records: type === 'SRV' ? { type } : { type: 'address' as const, port: port ?? 0 },
  /** The records that are asked for, of the name or of the targets of its SRV records. At least one. */
  families: type === 'A' || type === 'AAAA' ? [type] : familyTypes[family],
}))

const filePath = () =>
  absolutePath('/etc/spliceway/gateways.yaml').describe(
    'A YAML or JSON list of endpoints, read again when it changes.',
  )

const fileMapping = mapping({ path: filePath(), allowSpecial: allowSpecial() })

export const filePool = z
  .union([filePath().transform((path) => fileMapping.parse({ path })), fileMapping])
  .transform((rest) => ({ kind: 'file' as const, ...rest }))

/** What all pools with `kubernetes` share. */
export const kubernetes = mapping({
  // auto: the kubeconfig's server; without one, what the kubelet tells every container.
  apiServer: apiServer()
    .prefault('auto')
    .describe(
      "URL of the API server. auto: the kubeconfig's, or that of the cluster this runs in, which needs a working kube-proxy.",
    ),
  kubeconfig: absolutePath('/etc/spliceway/kubeconfig')
    .optional()
    .describe("Credentials from outside a cluster; the service account's when left out."),
  node: filledText().optional().describe('Name of this node, mostly "${NODE_NAME}": for `locality`.'),
  zone: filledText().optional().describe('Name of this zone, mostly "${ZONE}": for `locality`.'),
  snapshots: absolutePath('/var/lib/spliceway')
    .optional()
    .describe('Folder that keeps the last answers, for a start without an API server.'),
})
