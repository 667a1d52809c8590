import { parseIp } from '../core/address.ts'
import type { Facts } from './facts.ts'
import type { Rule } from './node/rules.ts'
import { isAny, type SubjectListener } from './subject.ts'
import { type Obstacle, obstacles, type Packet } from './trace.ts'

/** Of hosts with more, the first ones tell as much. */
const mostAddresses = 32

/**
 * The first packets of clients elsewhere to a listener, one for each address of this host that it listens on.
 */
export function packetsTo(facts: Facts, { host, port }: SubjectListener): readonly Packet[] {
  const interfaces = [...new Set(facts.addresses.hosts.map((each) => each.interface))].filter(
    (name) => name !== 'lo',
  )
  if (interfaces.length === 0) return []
  const own = facts.addresses.hosts
    .filter((each) => each.interface !== 'lo' && !each.host.toLowerCase().startsWith('fe80:'))
    .map((each) => each.host)
  const hosts = isAny(host) ? own.filter((each) => host === '::' || !each.includes(':')) : [host]
  return hosts
    .filter((each) => each !== '::1' && !each.startsWith('127.'))
    .slice(0, mostAddresses)
    .flatMap((each) => {
      const family = parseIp(each)?.family
      return family === undefined ? [] : [{ from: null, host: each, family, port, toLocal: true, interfaces }]
    })
}

/** An obstacle, and the addresses whose clients meet it. */
export interface Met extends Obstacle {
  readonly hosts: readonly string[]
}

/** Obstacles at these hooks for these packets, each once. */
export function metBy(
  facts: Facts,
  packets: readonly Packet[],
  hooks: readonly ('prerouting' | 'input' | 'output')[],
): readonly Met[] {
  const found = new Map<string, Met>()
  for (const packet of packets) {
    for (const obstacle of hooks.flatMap((at) => obstacles(facts.chains, packet, at))) {
      const key = [
        obstacle.base.table,
        obstacle.base.family,
        obstacle.base.name,
        decisive(obstacle)?.text ?? 'policy',
      ].join(' ')
      const known = found.get(key)
      const hosts = [...new Set([...(known?.hosts ?? []), packet.host])]
      found.set(key, { ...obstacle, sure: obstacle.sure && (known?.sure ?? true), hosts })
    }
  }
  return [...found.values()]
}

/** The rule that decides; undefined: the policy of the base chain. */
export function decisive({ trail }: Obstacle): Rule | undefined {
  return trail.at(-1)?.rule
}

/**
 * The rule on the way that is about this port and no other, whose removal touches nothing else; undefined:
 * none is, and the port needs an exception.
 */
export function ruleFor({ trail }: Obstacle, port: number): Rule | undefined {
  return trail
    .map(({ rule }) => rule)
    .find(({ tests }) =>
      tests.some(
        (test) =>
          test.kind === 'port' &&
          !test.not &&
          test.ranges.every(([from, to]) => from === port && to === port),
      ),
    )
}
