import type { Cluster } from './cluster.ts'
import { nginxPorts } from './nginx.ts'

/**
 * Counts the SYNs that the forwarder sends to each node's gateway port, repeated ones included; probes go to another port.
 * They are counted where they leave, so that a node that drops them or is unplugged is no exception. Returns the reader:
 * totals in the order of the nodes.
 */
export function countSyns({ forwarder, nodes }: Cluster): () => readonly number[] {
  for (const { host } of nodes) {
    const syns = ['-p', 'tcp', '-d', host, '--dport', String(nginxPorts.http), '--syn'] as const
    forwarder.run('iptables', '--wait', '--append', 'OUTPUT', ...syns)
  }
  return () => {
    const listing = forwarder.run(
      'iptables',
      '--wait',
      '--numeric',
      '--verbose',
      '--exact',
      '--list',
      'OUTPUT',
    )
    return nodes.map(({ host }) => {
      const line = listing.split('\n').find((each) => each.includes(` ${host} `))
      const [packets] = line?.trim().split(/\s+/) ?? []
      if (packets === undefined) throw new Error(`no rule counts the SYNs to ${host}:\n${listing}`)
      return Number(packets)
    })
  }
}
