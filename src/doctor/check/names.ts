import type { Facts } from '../facts.ts'
import { advice, type Finding } from '../finding.ts'

/** Names of gateways, and who is asked for them. */
export function names({ names: { lost, servers }, gateways }: Facts): readonly Finding[] {
  const unknown = lost.map(({ name, pool, reason }): Finding => {
    const others = gateways.some((each) => each.pool === pool)
    return {
      code: 'name-unknown',
      severity: others ? 'hurts' : 'blocks',
      what: `an endpoint of pool ${pool} has no address: ${name}: ${reason}`,
      proof: ['getent', 'ahosts', name],
      remedy: advice('correct the name, the zone or /etc/resolv.conf; a line in /etc/hosts helps until then'),
    }
  })
  const silent = servers.filter(({ answers }) => !answers)
  if (silent.length === 0) return unknown
  const all = silent.length === servers.length
  const list = silent.map(({ host }) => host).join(', ')
  return [
    ...unknown,
    {
      code: 'name-servers-silent',
      severity: 'hurts',
      what: `${all ? 'no name server answers' : 'a name server does not answer'} (${list}): names are found late or not at all`,
      proof: ['cat', '/etc/resolv.conf'],
      remedy: advice(
        'mend the way to it, or take it out of /etc/resolv.conf (systemd-resolved, the DHCP client or the kubelet writes it)',
      ),
    },
  ]
}
