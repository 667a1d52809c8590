import type { Facts } from '../facts.ts'
import { advice, type Finding, setSysctl } from '../finding.ts'

/** Room in the firewall's table of connections. Each forwarded connection takes two places. */
export function conntrack({ kernel: { sysctls } }: Facts): readonly Finding[] {
  const count = Number(sysctls.get('net.netfilter.nf_conntrack_count'))
  const most = Number(sysctls.get('net.netfilter.nf_conntrack_max'))
  if (!(most > 0) || !(count >= most * 0.8)) return []
  return [
    {
      code: 'conntrack-full',
      severity: count >= most ? 'blocks' : 'hurts',
      what: `the firewall tracks ${count} connections of ${most} at most${count >= most ? ': it drops new ones' : ''}`,
      proof: ['sysctl', 'net.netfilter.nf_conntrack_count', 'net.netfilter.nf_conntrack_max'],
      remedy: advice(
        'raise it, on the host itself: an entry takes some 320 bytes',
        setSysctl('net.netfilter.nf_conntrack_max', most * 4),
      ),
    },
  ]
}
