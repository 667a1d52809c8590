import type { Facts } from '../facts.ts'
import type { Finding } from '../finding.ts'
import { gatewayText } from '../node/gateways.ts'

/** linux/capability.h */
const CAP_NET_ADMIN = 12n
const CAP_NET_RAW = 13n

/** Whether pools with `transparent: on` can work: the capability, and the way back of answers. */
export function transparent(facts: Facts): readonly Finding[] {
  return [...forbidden(facts), ...unrouted(facts)]
}

/** A process that runs has the capability, or it would not. */
function forbidden({ subject, running, kernel: { capabilities, uid } }: Facts): readonly Finding[] {
  const pool = subject.pools.find((each) => each.transparent)
  if (pool === undefined || running.kind !== 'nobody' || capabilities === null) return []
  if ([CAP_NET_ADMIN, CAP_NET_RAW].some((bit) => (capabilities >> bit) % 2n === 1n)) return []
  return [
    {
      code: 'transparent-forbidden',
      severity: 'blocks',
      what: `pool ${pool.name} is transparent, and uid ${uid} may not connect from a client's address: it has not CAP_NET_RAW`,
      proof: ['grep', 'CapEff', '/proc/self/status'],
      remedy: {
        advice:
          'systemd: CAP_NET_RAW in AmbientCapabilities= and CapabilityBoundingSet=; Kubernetes: the overlay transparent; or let the endpoints read a PROXY header (sendProxyProtocol) instead',
        commands: [],
        settings: [],
      },
    },
  ]
}

function unrouted({ waysBack }: Facts): readonly Finding[] {
  return waysBack.flatMap(({ gateway, found }): Finding[] => {
    if (found.kind !== 'missing') return []
    const { pool, host, address } = gateway
    const ip = address.family === 4 ? ['ip'] : ['ip', '-6']
    return [
      {
        code: 'transparent-unrouted',
        severity: 'blocks',
        what: `gateway ${gatewayText(gateway)} of pool ${pool} answers this host, and what it answers to a client's address does not come back here, where the connection began (asked from ${address.family === 4 ? '192.0.2.1' : '2001:db8::1'})`,
        proof: [...ip, 'rule', 'show', 'from', host],
        remedy: {
          advice:
            'rules that bring it back; a gateway on another host must also send what is for clients by way of this one (docs/transparent.md)',
          commands: found.rules,
          settings: [],
        },
      },
    ]
  })
}
