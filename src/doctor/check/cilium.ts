import type { Facts } from '../facts.ts'
import { advice, type Finding } from '../finding.ts'
import { showPort } from '../holder.ts'
import { gatewayText } from '../node/gateways.ts'
import { isNodePort, severityOf } from './gateway.ts'

/** What Cilium does with ports of this node, as far as the node shows it. */
export function cilium(facts: Facts): readonly Finding[] {
  const found = facts.cluster.cilium
  if (found === null) return []
  return [
    ...facts.gateways
      .filter((each) => isNodePort(facts, each))
      .map(
        (each): Finding => ({
          code: 'cilium-nodeport',
          severity: severityOf(facts, each),
          what:
            `nobody listens on ${gatewayText(each)}, an endpoint of pool ${each.pool}: if it is a NodePort, Cilium serves it in eBPF, so no socket of this host has it ` +
            'and no REDIRECT can lead there; connections of this host reach it only where bpf-lb-sock is on for the host',
          proof: showPort(each.port),
          remedy: advice(
            "go to the gateway's Pods without the Service: `kubernetes: { service: NAMESPACE/NAME, port: NAME }` in the pool instead of endpoints",
          ),
        }),
      ),
    {
      code: 'cilium',
      severity: 'note',
      what: `Cilium is on this node (${found.seenBy})${modeOf(found.settings)}`,
      proof: ['ip', '-br', 'link'],
      remedy: advice(
        'its NodePorts, hostPorts and load balancer addresses are in eBPF and in no list of rules: `cilium-dbg service list` in its Pod on this node shows them, and a listener must have none of these ports',
      ),
    },
  ]
}

function modeOf(settings: ReadonlyMap<string, string>): string {
  const replacement = settings.get('kube-proxy-replacement')
  if (replacement === undefined) return '; its mode is in its ConfigMap, cilium-config, not readable here'
  const list = [...settings].map(([name, value]) => `${name}=${value}`).join(', ')
  const on = replacement === 'true' || replacement === 'strict'
  const meaning = on
    ? 'it replaces kube-proxy, and serves NodePort and hostPort itself'
    : 'kube-proxy, or portmap, serves NodePort and hostPort; Cilium does no hostPort'
  return `: ${meaning} (${list})`
}
