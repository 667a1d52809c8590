import type { Facts } from '../facts.ts'
import type { Code, Finding, Remedy } from '../finding.ts'
import { listenersAt } from '../holder.ts'
import type { SubjectListener } from '../subject.ts'
import { decisive, type Met, metBy, packetsTo, ruleFor } from '../way-in.ts'

/** Rules that rewrite where a client's connection goes before the kernel looks for a listener. */
export function diverted(facts: Facts): readonly Finding[] {
  return facts.subject.listeners.flatMap((listener) => [
    ...metBy(facts, packetsTo(facts, listener), ['prerouting'])
      .filter(({ verdict }) => verdict !== 'drop' && verdict !== 'reject')
      .map((met) => findingOf(facts, listener, met)),
    ...ipvsAt(facts, listener),
  ])
}

function findingOf(facts: Facts, { name, port }: SubjectListener, met: Met): Finding {
  const origin = originOf(facts, met)
  const place = met.trail.at(-1)?.chain ?? met.base
  const some = met.sure ? 'connections' : 'some connections'
  const to = met.hosts
    .map((host) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`))
    .join(', ')
  return {
    code: origin.code,
    severity: met.sure ? 'blocks' : 'hurts',
    what:
      `${some} to ${to} never reach listener ${name}: ${origin.who} sends them to ${met.leadsTo}${nobodyThere(facts, met)} ` +
      `(${met.base.table}, ${place.name}: ${decisive(met)?.text ?? 'policy'})`,
    proof: place.show,
    remedy: remedyOf(origin.advice, met, port),
  }
}

/** What the rule belongs to, by the names of the chains that lead to it: each program keeps to its own. */
function originOf(
  { cluster }: Facts,
  { base, trail }: Met,
): { readonly code: Code; readonly who: string; readonly advice: string } {
  const chains = trail.map(({ chain }) => `${chain.table} ${chain.name}`).join(' ')
  const said = trail.map(({ rule }) => /dnat name|--comment (\S+)/.exec(rule.text)?.[1] ?? '').join(' ')
  if (/CNI-HOSTPORT|CNI-DN-|cni_hostport/.test(chains)) {
    const [lb] = cluster.serviceLb
    if (lb !== undefined) {
      return {
        code: 'servicelb',
        who: `k3s ServiceLB (Pod ${lb}), by hostPort,`,
        advice:
          'k3s: --disable=servicelb or --disable=traefik, or another type for that Service. Deleting the rule helps only until the Pod starts again',
      }
    }
    return {
      code: 'hostport',
      who: "a Pod's hostPort (CNI plugin portmap)",
      advice:
        "take hostPort out of the gateway's Pod or chart. Deleting the rule helps only until the Pod starts again",
    }
  }
  if (/\bDOCKER\b/.test(chains)) {
    return {
      code: 'docker-published',
      who: 'a published port of a Docker container',
      advice:
        'publish it on loopback: -p 127.0.0.1:PORT:PORT. Deleting the rule helps only until the container starts again',
    }
  }
  if (/KUBE-|kube-proxy/.test(chains)) {
    const service = said.match(/[\w-]+\/[\w-]+(:[\w-]+)?/)?.[0]
    return {
      code: 'service-port',
      who: `kube-proxy, for Service ${service ?? '(its name is not in the rule)'},`,
      advice:
        'give the Service another type, another nodePort, or no externalIPs of this node. kube-proxy writes a rule that is deleted again',
    }
  }
  if (/firewalld/.test(base.table)) {
    return {
      code: 'redirected',
      who: 'a forward-port of firewalld',
      advice: 'firewall-cmd --permanent --remove-forward-port=…, then firewall-cmd --reload, for good',
    }
  }
  return {
    code: 'redirected',
    who: 'a rule',
    advice:
      'delete the rule, and take it out of where it is kept: /etc/nftables.conf, netfilter-persistent, a unit, cloud-init',
  }
}

function remedyOf(text: string, met: Met, port: number): Remedy {
  const rule = ruleFor(met, port)
  if (rule !== undefined) return { advice: text, commands: [rule.remove], settings: [] }
  const commands = [met.base.accept({ host: null, port })]
  return {
    advice: `${text}. It is about more than this port: the command makes an exception`,
    commands,
    settings: [],
  }
}

function nobodyThere(facts: Facts, { verdict, leadsTo }: Met): string {
  const port = Number(/^port (\d+)$/.exec(leadsTo)?.[1])
  if (verdict !== 'redirect' || Number.isNaN(port)) return ''
  if (listenersAt(facts, { host: '::', port }).length > 0) return ''
  if (facts.cluster.cilium !== null && port >= 30_000 && port <= 32_767) {
    return ', a NodePort: Cilium serves it in eBPF before netfilter is asked, so there is no socket, and a REDIRECT to it cannot work'
  }
  return ', where nobody listens'
}

function ipvsAt({ cluster, addresses }: Facts, { name, port }: SubjectListener): readonly Finding[] {
  const own = new Set(addresses.hosts.map(({ host }) => host))
  return cluster.ipvs
    .filter((each) => each.port === port && own.has(each.host))
    .map(({ host }) => ({
      code: 'service-port',
      severity: 'blocks',
      what: `connections to ${host}:${port} never reach listener ${name}: kube-proxy serves that address and port by IPVS`,
      proof: ['ipvsadm', '-Ln'],
      remedy: {
        advice: 'give the Service another type, another nodePort, or no externalIPs of this node',
        commands: [],
        settings: [],
      },
    }))
}
