import type { Facts } from '../facts.ts'
import { advice, type Finding, setSysctl } from '../finding.ts'

/** What the parts of the program need of Linux. */
const needs = [
  // BUILDING.md of Node 26: supported platforms.
  { since: [4, 18], severity: 'hurts', what: 'Node 26 is made for 4.18 and later' },
  // net.ipv4.tcp_migrate_req: what a hand-over without koffi needs to lose nobody.
  {
    since: [5, 14],
    severity: 'note',
    what: 'without koffi, an update resets some connections: tcp_migrate_req came with 5.14',
  },
] as const

/** Whether this kernel can do what is asked of it. */
export function kernel({ kernel: { release, sysctls }, plane }: Facts): readonly Finding[] {
  const [major = 0, minor = 0] = release.split('.').map(Number)
  if (major === 0) return []
  const old = needs
    .filter(({ severity }) => severity === 'hurts' || plane.kind === 'net')
    .filter(({ since: [a, b] }) => major < a || (major === a && minor < b))
    .map(
      ({ severity, what }): Finding => ({
        code: 'kernel-old',
        severity,
        what: `Linux ${release}: ${what}`,
        proof: ['uname', '-r'],
        remedy: advice('a newer kernel'),
      }),
    )
  if (plane.kind !== 'net' || sysctls.get('net.ipv4.tcp_migrate_req') !== '0') return old
  return [
    ...old,
    {
      code: 'tcp-migrate-req-off',
      severity: 'note',
      what: 'without koffi, an update resets connections that wait to be accepted',
      proof: ['sysctl', 'net.ipv4.tcp_migrate_req'],
      remedy: advice(
        'let the kernel give them to the next process',
        setSysctl('net.ipv4.tcp_migrate_req', 1),
      ),
    },
  ]
}
