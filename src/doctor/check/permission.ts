import type { Facts } from '../facts.ts'
import { type Finding, setSysctl } from '../finding.ts'

/** linux/capability.h */
const CAP_NET_BIND_SERVICE = 10n

/** Whether a process started by whoever asks may bind the ports. One that runs has them already. */
export function permission({ subject, running, kernel }: Facts): readonly Finding[] {
  const first = Number(kernel.sysctls.get('net.ipv4.ip_unprivileged_port_start') ?? 1024)
  const { capabilities, uid } = kernel
  if (running.kind !== 'nobody' || capabilities === null) return []
  if ((capabilities >> CAP_NET_BIND_SERVICE) % 2n === 1n) return []
  const low = [...new Set(subject.listeners.map(({ port }) => port).filter((port) => port < first))].sort(
    (a, b) => a - b,
  )
  const [lowest] = low
  if (lowest === undefined) return []
  return [
    {
      code: 'port-forbidden',
      severity: 'blocks',
      what: `uid ${uid} may not bind ${low.join(', ')}: ports below ${first} need CAP_NET_BIND_SERVICE, which it has not`,
      proof: ['sysctl', 'net.ipv4.ip_unprivileged_port_start'],
      remedy: {
        advice:
          'systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE; Kubernetes: the image and capabilities of config/kubernetes. Or allow these ports to every user of this host with the command',
        commands: [setSysctl('net.ipv4.ip_unprivileged_port_start', lowest)],
        settings: [],
      },
    },
  ]
}
