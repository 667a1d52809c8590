import { SocketAddress } from 'node:net'
import { namesIn, textOf } from './text.ts'

/** What a node of a Kubernetes cluster shows of its network. */
export interface Cluster {
  readonly cilium: Cilium | null
  /** CNI configurations that have the plugin portmap: `/etc/cni/net.d/10-flannel.conflist`. */
  readonly portmap: readonly string[]
  /** Pods of k3s ServiceLB on this node: `kube-system/svclb-traefik-1234`. */
  readonly serviceLb: readonly string[]
  /** TCP ports that kube-proxy serves by IPVS. */
  readonly ipvs: readonly { readonly host: string; readonly port: number }[]
}

export interface Cilium {
  /** What shows that it is here. */
  readonly seenBy: string
  /** Its settings, as far as its agent may be looked at: `kube-proxy-replacement`, `node-port-range`, ... */
  readonly settings: ReadonlyMap<string, string>
}

const cniFolders = ['/etc/cni/net.d', '/var/lib/rancher/k3s/agent/etc/cni/net.d']
const podLogs = '/var/log/pods'
const settings = [
  'kube-proxy-replacement',
  'enable-node-port',
  'node-port-range',
  'bpf-lb-sock',
  'bpf-lb-sock-hostns-only',
  'routing-mode',
  'datapath-mode',
]

/** `interfaces`: names of this network namespace's. */
export function readCluster(interfaces: readonly string[]): Cluster {
  return {
    cilium: readCilium(interfaces),
    portmap: cniFolders.flatMap((folder) =>
      namesIn(folder)
        .filter((name) => /\.(conf|conflist|json)$/.test(name))
        .map((name) => `${folder}/${name}`)
        .filter((path) => hasPortmap(textOf(path) ?? '')),
    ),
    serviceLb: namesIn(podLogs).flatMap((name) => {
      const [namespace, pod] = name.split('_')
      return pod?.startsWith('svclb-') ? [`${namespace}/${pod}`] : []
    }),
    ipvs: parseIpvs(textOf('/proc/net/ip_vs') ?? ''),
  }
}

/** A Pod's `namespace/name` by its uid: the kubelet names the folders of logs `namespace_name_uid`. */
export function podOf(uid: string): string {
  const folder = namesIn(podLogs).find((name) => name.endsWith(`_${uid}`))
  const [namespace, pod] = folder?.split('_') ?? []
  return pod === undefined ? `uid ${uid}` : `${namespace}/${pod}`
}

export function hasPortmap(config: string): boolean {
  return /"type"\s*:\s*"portmap"/.test(config)
}

/** Its agent shows its settings in a folder of its own, to root on the node. */
function readCilium(interfaces: readonly string[]): Cilium | null {
  const agent = namesIn('/proc').find(
    (name) => /^\d+$/.test(name) && textOf(`/proc/${name}/comm`)?.trim() === 'cilium-agent',
  )
  const device = interfaces.find((name) => /^cilium_(host|net|vxlan|geneve|wg0)$/.test(name))
  if (agent === undefined && device === undefined) return null
  const root = agent === undefined ? '' : `/proc/${agent}/root`
  const known = settings.flatMap((name): [string, string][] => {
    const text = root === '' ? null : textOf(`${root}/tmp/cilium/config-map/${name}`)
    return text === null ? [] : [[name, text.trim()]]
  })
  const seenBy = device === undefined ? `process cilium-agent (pid ${agent})` : `interface ${device}`
  return { seenBy, settings: new Map(known) }
}

/** /proc/net/ip_vs: `TCP  C0A80001:0050 rr`, `TCP  [2001:0db8:…]:0050 rr`. */
export function parseIpvs(text: string): Cluster['ipvs'] {
  return [...text.matchAll(/^TCP\s+(?:([\dA-F]{8})|\[([\da-f:]{3,39})\]):([\dA-F]{4})\s/gim)].map(
    ([, v4 = '', v6, port = '']) => ({
      host:
        v6 === undefined
          ? [...Buffer.from(v4, 'hex')].join('.')
          : new SocketAddress({ address: v6, family: 'ipv6' }).address,
      port: Number.parseInt(port, 16),
    }),
  )
}
