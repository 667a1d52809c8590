import type { Facts } from '../facts.ts'
import { advice, type Code, type Finding, type Remedy, type Words } from '../finding.ts'
import { holderText, listenersAt, ownersOf, showPort } from '../holder.ts'
import { type Gateway, gatewayText } from '../node/gateways.ts'
import { isAny, listenText } from '../subject.ts'
import type { Packet } from '../trace.ts'
import { type Met, metBy } from '../way-in.ts'
import { letPass, obstacleText } from './firewalled.ts'

/** Whether gateways can be reached, and by what they cannot. */
export function gateway(facts: Facts): readonly Finding[] {
  return facts.gateways.flatMap((each) => {
    const stopped = stoppedAt(facts, each)
    if (stopped !== null) return [stopped]
    if (each.answer.kind === 'connected') return connected(each)
    return [blockedBy(facts, each) ?? elsewhere(facts, each) ?? unreachable(facts, each)].filter(
      (found) => found !== null,
    )
  })
}

/** A pool of which nothing is left blocks; one with others is hurt. */
export function severityOf({ gateways }: Facts, { pool }: Gateway): 'blocks' | 'hurts' {
  const others = gateways.some((each) => each.pool === pool && each.answer.kind === 'connected')
  return others ? 'hurts' : 'blocks'
}

/** curl speaks no word by telnet, and says whether it is connected. */
export function dialIt(each: Gateway): Words {
  return ['curl', '-v', '--max-time', '2', `telnet://${gatewayText(each)}`]
}

function isLocal({ addresses }: Facts, host: string): boolean {
  return host.startsWith('127.') || addresses.hosts.some((each) => each.host === host)
}

/** A process that was stopped: its kernel accepts for it until the queue is full. */
function stoppedAt(facts: Facts, each: Gateway): Finding | null {
  if (!isLocal(facts, each.host)) return null
  for (const socket of listenersAt(facts, each)) {
    const owners = ownersOf(facts, socket)
    const [owner] = owners
    if (owner === undefined || !owners.every(({ stopped }) => stopped)) continue
    return {
      code: 'gateway-stopped',
      severity: 'blocks',
      what: `gateway ${gatewayText(each)} of pool ${each.pool} is stopped (SIGSTOP or a debugger): ${holderText(socket, owner)}. Connections to it are accepted by the kernel, and nobody answers`,
      proof: ['ps', '-o', 'pid,state,comm', '-p', String(owner.pid)],
      remedy: advice('let it run', ['kill', '-CONT', ...owners.map(({ pid }) => String(pid))]),
    }
  }
  return null
}

function connected(each: Gateway): Finding[] {
  if (each.answer.kind !== 'connected') return []
  const { first } = each.answer
  const name = `gateway ${gatewayText(each)} of pool ${each.pool}`
  if (first === 'end' || first === 'reset') {
    const how = first === 'end' ? 'ends' : 'resets'
    return [
      {
        code: 'gateway-hangs-up',
        severity: 'hurts',
        what: `${name} accepts a connection and ${how} it at once, before anybody has said a word`,
        proof: dialIt(each),
        remedy: advice(
          'its log should say why: a list of allowed addresses, a limit, a PROXY header that it wants or refuses (--probe)',
        ),
      },
    ]
  }
  if (first !== 'bytes' || !each.warm) return []
  return [
    {
      code: 'gateway-speaks-first',
      severity: 'hurts',
      what: `${name} speaks first, and connections to it are opened before a client comes (warm): clients would get an old greeting`,
      proof: dialIt(each),
      remedy: {
        advice: 'turn warm connections off for this pool',
        commands: [],
        settings: [{ key: `pools.${each.pool}.warm`, value: 'off' }],
      },
    },
  ]
}

/** null: no rule of this host explains it. */
function blockedBy(facts: Facts, each: Gateway): Finding | null {
  const { host, port } = each
  const toLocal = isLocal(facts, host)
  // To an address of its own this host goes from that address, or from 127.0.0.1 where it is of the loopback.
  const from = toLocal ? (host.startsWith('127.') ? '127.0.0.1' : host) : null
  const packet: Packet = { from, host, port, family: each.address.family, toLocal, interfaces: [] }
  const out = metBy(facts, [packet], ['output'])
  const back = toLocal ? metBy(facts, [{ ...packet, interfaces: ['lo'] }], ['prerouting', 'input']) : []
  // A refusal has a plainer reason than a rule that may or may not be meant for us.
  const refused = each.answer.kind === 'refused'
  const [met] = [...out, ...back.filter(stops)].filter(({ sure }) => sure || !refused)
  if (met === undefined) return null
  const name = `gateway ${gatewayText(each)} of pool ${each.pool}`
  const found = (code: Code, what: string, remedy: Remedy): Finding => {
    return {
      code,
      severity: severityOf(facts, each),
      what,
      proof: (met.trail.at(-1)?.chain ?? met.base).show,
      remedy,
    }
  }
  if (stops(met)) {
    const what = `${name} does not answer, and this host's own rules ${met.verdict} what goes there: ${obstacleText(met)}`
    return found('gateway-firewalled', what, letPass(met, host, port))
  }
  const what = `${name} does not answer: a rule for this host's own connections sends them to ${met.leadsTo} (${obstacleText(met)})`
  return found('gateway-diverted', what, letPass(met, host, port))
}

function stops({ verdict }: Met): boolean {
  return verdict === 'drop' || verdict === 'reject'
}

/** It listens on this host, at another address than the configured one. null: it does not. */
function elsewhere(facts: Facts, each: Gateway): Finding | null {
  if (each.answer.kind !== 'refused' || !isLocal(facts, each.host)) return null
  const socket = facts.sockets.find(
    (found) =>
      found.state === 'listen' && found.port === each.port && !isAny(found.host) && found.host !== each.host,
  )
  if (socket === undefined) return null
  const there = listenText(socket)
  const pool = facts.subject.pools.find(({ name }) => name === each.pool)
  const mine = (at: { host: string; port: number }) => at.host === each.host && at.port === each.port
  const list = (pool?.endpoints ?? []).map((at) => `"${mine(at) ? there : listenText(at)}"`).join(', ')
  return {
    code: 'gateway-elsewhere',
    severity: severityOf(facts, each),
    what: `nobody listens on ${gatewayText(each)}, an endpoint of pool ${each.pool}, but ${holderText(socket, ownersOf(facts, socket)[0])} does on ${there}`,
    proof: showPort(each.port),
    remedy: {
      advice: 'write the address that it listens on, or let it listen on every address',
      commands: [],
      settings: [{ key: `pools.${each.pool}.endpoints`, value: `[${list}]` }],
    },
  }
}

/** null: another check says it better. */
function unreachable(facts: Facts, each: Gateway): Finding | null {
  const name = `gateway ${gatewayText(each)} of pool ${each.pool}`
  const common = { severity: severityOf(facts, each), proof: dialIt(each) }
  if (each.answer.kind === 'refused') {
    if (isNodePort(facts, each)) return null
    const text = isLocal(facts, each.host)
      ? 'start it; if it runs in a Pod without hostNetwork, its port is in the Pod and not on this host: use a source (kubernetes) instead of an address'
      : 'start it there, or correct the address'
    const what = `nobody listens on ${gatewayText(each)}, an endpoint of pool ${each.pool}`
    const proof = isLocal(facts, each.host) ? showPort(each.port) : dialIt(each)
    return { ...common, proof, code: 'gateway-refuses', what, remedy: advice(text) }
  }
  if (each.answer.kind !== 'failed' || each.answer.code === 'EADDRNOTAVAIL') return null
  const { code } = each.answer
  const loopback = each.host.startsWith('127.') || each.host === '::1'
  if (
    loopback &&
    (code === 'ENETUNREACH' || code === 'ETIMEDOUT') &&
    !facts.addresses.hosts.some((at) => at.interface === 'lo')
  )
    return null
  if (code === 'ETIMEDOUT') {
    const text =
      'something on the way drops packets: a firewall there, a security group, a NetworkPolicy; or the host is gone, or its queue of connections is full'
    const what = `${name} gives no answer at all, not even a refusal`
    return { ...common, code: 'gateway-unreachable', what, remedy: advice(text) }
  }
  const what = `${name} cannot be reached: ${code}`
  const proof = ['ip', 'route', 'get', each.host]
  return {
    ...common,
    proof,
    code: 'gateway-unreachable',
    what,
    remedy: advice('see which way the host would take, and mend the route'),
  }
}

/** check/cilium.ts says why. */
export function isNodePort(facts: Facts, { host, port, answer }: Gateway): boolean {
  const inRange = port >= 30_000 && port <= 32_767 // --service-node-port-range
  return facts.cluster.cilium !== null && answer.kind === 'refused' && inRange && isLocal(facts, host)
}
