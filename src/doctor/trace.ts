import { BlockList } from 'node:net'
import type { Chain, Hook, Rule, Test } from './node/rules.ts'

/** The first packet of a connection, as far as it is known. */
export interface Packet {
  /** Who sends it; null: somebody elsewhere. */
  readonly from: string | null
  readonly host: string
  readonly family: 4 | 6
  readonly port: number
  /** Whether `host` is an address of this host. */
  readonly toLocal: boolean
  /** Where it comes in; empty: it is our own, on its way out. Several: by one of them. */
  readonly interfaces: readonly string[]
}

/** Something that keeps a packet from the socket it was sent to. */
export interface Obstacle {
  readonly verdict: 'redirect' | 'dnat' | 'tproxy' | 'drop' | 'reject'
  /** Where it leads: `10.42.0.8:80`, `port 9080`; empty for drop and reject. */
  readonly leadsTo: string
  /** Of every packet like this one; false: it depends on what is not known, the sender most often. */
  readonly sure: boolean
  /** The base chain. */
  readonly base: Chain
  /**
   * From the base chain to where it is decided, with the rules that lead there; none: the base chain's
   * policy.
   */
  readonly trail: readonly { readonly chain: Chain; readonly rule: Rule }[]
}

/**
 * Each obstacle that the chains of these hooks put in the way, in the order in which the kernel asks them.
 */
export function obstacles(chains: readonly Chain[], packet: Packet, at: Hook['at']): readonly Obstacle[] {
  const byName = new Map(chains.map((chain) => [`${chain.table} ${chain.family} ${chain.name}`, chain]))
  const find = (from: Chain, name: string): Chain | undefined =>
    byName.get(`${from.table} ${from.family} ${name}`)
  return chains
    .filter(({ hook, family }) => hook?.at === at && familyFits(family, packet.family))
    .sort((a, b) => (a.hook?.priority ?? 0) - (b.hook?.priority ?? 0))
    .flatMap((base) => obstacleOf(base, packet, find) ?? [])
}

type Find = (from: Chain, name: string) => Chain | undefined
type Outcome =
  | { readonly kind: 'passes' }
  | { readonly kind: 'stopped'; readonly obstacle: Omit<Obstacle, 'sure' | 'base'> }
type Trail = Obstacle['trail']

/** null: every packet passes this base chain. */
function obstacleOf(base: Chain, packet: Packet, find: Find): Obstacle | null {
  const outcomes: Outcome[] = []
  const decided = walk(base, packet, find, [], outcomes)
  if (!decided) {
    outcomes.push(
      base.hook?.drops === true
        ? { kind: 'stopped', obstacle: { verdict: 'drop', leadsTo: '', trail: [] } }
        : { kind: 'passes' },
    )
  }
  const stopped = outcomes.find((outcome) => outcome.kind === 'stopped')
  if (stopped === undefined) return null
  return { ...stopped.obstacle, base, sure: outcomes.every(({ kind }) => kind === 'stopped') }
}

/** Deeper than the kernel lets chains call each other (16). */
const maxDepth = 20
type Answer = 'yes' | 'no' | 'maybe'

/** Collects what may become of the packet in this chain. True: one of it does, no rule after it is asked. */
function walk(chain: Chain, packet: Packet, find: Find, trail: Trail, outcomes: Outcome[]): boolean {
  if (trail.length > maxDepth) return false
  for (const rule of chain.rules) {
    const fits = all(rule.tests.map((test) => holds(test, packet)))
    if (fits === 'no') continue
    const here: Trail = [...trail, { chain, rule }]
    const { verdict } = rule
    switch (verdict.kind) {
      case 'next':
        continue
      case 'return':
        if (fits === 'yes') return false
        continue
      case 'jump':
      case 'goto': {
        const target = find(chain, verdict.chain)
        const decided = target !== undefined && walk(target, packet, find, here, outcomes)
        if (fits === 'yes' && (decided || verdict.kind === 'goto')) return decided
        continue
      }
      case 'accept':
        outcomes.push({ kind: 'passes' })
        break
      case 'drop':
      case 'reject':
        outcomes.push({ kind: 'stopped', obstacle: { verdict: verdict.kind, leadsTo: '', trail: here } })
        break
      case 'redirect':
      case 'tproxy': {
        const { kind, port } = verdict
        // To the port that it has already, as a transparent proxy's own rule does.
        if (port === packet.port && packet.toLocal) outcomes.push({ kind: 'passes' })
        else {
          const leadsTo = port === null ? 'another port' : `port ${port}`
          outcomes.push({ kind: 'stopped', obstacle: { verdict: kind, leadsTo, trail: here } })
        }
        break
      }
      case 'dnat':
        outcomes.push({ kind: 'stopped', obstacle: { verdict: 'dnat', leadsTo: verdict.to, trail: here } })
        break
    }
    if (fits === 'yes') return true
  }
  return false
}

function all(answers: readonly Answer[]): Answer {
  if (answers.includes('no')) return 'no'
  return answers.includes('maybe') ? 'maybe' : 'yes'
}

function holds(test: Test, packet: Packet): Answer {
  if (test.kind === 'other') return 'maybe'
  const answer = plainly(test, packet)
  if (answer === 'maybe' || !test.not) return answer
  return answer === 'yes' ? 'no' : 'yes'
}

/** Whether it holds without its negation. */
function plainly(test: Exclude<Test, { kind: 'other' }>, packet: Packet): Answer {
  switch (test.kind) {
    case 'protocol':
      return known(test.names.some((name) => ['tcp', '6', 'all', '0'].includes(name)))
    case 'port':
      return known(test.ranges.some(([from, to]) => from <= packet.port && packet.port <= to))
    case 'to':
      return known(test.networks.some((network) => contains(network, packet)))
    case 'from':
      return fromOne(test.networks, packet)
    case 'never':
      return 'no'
    case 'to-local':
      return known(packet.toLocal)
    case 'in':
      return throughOne(test.interfaces, packet.interfaces)
    case 'out':
      if (packet.interfaces.length > 0) return 'no'
      return packet.toLocal ? throughOne(test.interfaces, ['lo']) : 'maybe'
    case 'state':
      return known(test.states.includes('new'))
    case 'mark':
      return known((test.value & test.mask) === 0) // nobody has marked it yet
    case 'family':
      return known(test.family === packet.family)
  }
}

function fromOne(networks: readonly string[], { from, family }: Packet): Answer {
  if (from !== null) return known(networks.some((network) => contains(network, { host: from, family })))
  if (networks.some((network) => network.endsWith('/0'))) return 'yes'
  // Nobody elsewhere is a loopback address.
  return networks.every((network) => /^(127\.|::1(\/|$))/.test(network)) ? 'no' : 'maybe'
}

function known(holds: boolean): Answer {
  return holds ? 'yes' : 'no'
}

/** `eth+` and `eth*` are every name that begins so. */
function throughOne(wanted: readonly string[], ways: readonly string[]): Answer {
  const fitting = ways.filter((way) =>
    wanted.some((name) => (/[+*]$/.test(name) ? way.startsWith(name.slice(0, -1)) : way === name)),
  )
  if (fitting.length === 0) return 'no'
  return fitting.length === ways.length ? 'yes' : 'maybe'
}

function contains(network: string, { host, family }: Pick<Packet, 'host' | 'family'>): boolean {
  const [base = '', length] = network.split('/')
  const type = family === 4 ? 'ipv4' : 'ipv6'
  if (base.includes(':') !== (family === 6)) return false
  const bits = length === undefined ? (family === 4 ? 32 : 128) : prefixLength(length)
  const list = new BlockList()
  try {
    list.addSubnet(base, bits, type)
  } catch {
    return false // no address: a name, or a range
  }
  return list.check(host, type)
}

/** `24`, or `255.255.255.0` as iptables prints a mask that is no prefix, and old ones every mask. */
function prefixLength(text: string): number {
  if (!text.includes('.')) return Number(text)
  return text.split('.').reduce((sum, part) => sum + Number(part).toString(2).replaceAll('0', '').length, 0)
}

function familyFits(family: Chain['family'], wanted: 4 | 6): boolean {
  return family === 'inet' || family === (wanted === 4 ? 'ip' : 'ip6')
}
