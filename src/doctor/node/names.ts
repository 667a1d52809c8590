import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { parseIp, type SocketAddress, socketAddress } from '../../core/address.ts'
import { systemLookup } from '../../discovery/dns/name-lookup.ts'
import type { Subject } from '../subject.ts'
import type { GatewayAsked } from './gateways.ts'
import type { Miss } from './netfilter.ts'
import { textOf } from './text.ts'

export interface Names {
  /** Endpoints that have an address. */
  readonly asked: readonly GatewayAsked[]
  /** Names of endpoints without one. `reason` completes "the name ...". */
  readonly lost: readonly { readonly name: string; readonly pool: string; readonly reason: string }[]
  /** Name servers of /etc/resolv.conf; empty: nothing is looked up. */
  readonly servers: readonly { readonly host: string; readonly answers: boolean }[]
}

/** More than anyone waits for; the rest is said to be unseen. */
const mostGateways = 256
/** What the program itself gives a name at its start. */
const lookupMs = 5_000
const serverMs = 1_000

/** Looks up the names of endpoints as the program does: the hosts file, then name servers. Never rejects. */
export async function readNames(subject: Subject, miss: Miss): Promise<Names> {
  const asked: GatewayAsked[] = []
  const lost: { name: string; pool: string; reason: string }[] = []
  const lookup = systemLookup({
    after: (ms, then) => {
      const timer = setTimeout(then, ms)
      return () => clearTimeout(timer)
    },
    nowMs: () => performance.now(),
  })
  const stop = setTimeout(() => lookup.stop(), lookupMs)
  const each = subject.pools.flatMap((pool) => {
    if (pool.endpoints === null)
      miss(`endpoints of pool ${pool.name}: their source is asked by a running process only`)
    return (pool.endpoints ?? []).map(async ({ host, port }) => {
      const about = { pool: pool.name, sendProxyProtocol: pool.sendProxyProtocol, warm: pool.warm }
      const hosts = parseIp(host) === undefined ? await find(host) : [host]
      if (typeof hosts === 'string') return void lost.push({ name: host, pool: pool.name, reason: hosts })
      for (const address of addressesOf(hosts, port)) asked.push({ ...about, address })
    })
  })
  async function find(host: string): Promise<readonly string[] | string> {
    const found = await lookup.addresses(host)
    return found.kind === 'found' ? found.addresses : found.reason
  }
  const needed = subject.pools.some(
    ({ endpoints }) => endpoints === null || endpoints.some(({ host }) => parseIp(host) === undefined),
  )
  const [servers] = await Promise.all([needed ? askServers() : [], ...each])
  clearTimeout(stop)
  lookup.stop()
  if (asked.length > mostGateways)
    miss(`${asked.length - mostGateways} of ${asked.length} endpoints: too many to ask all`)
  return { asked: asked.slice(0, mostGateways), lost, servers }
}

function addressesOf(hosts: readonly string[], port: number): readonly SocketAddress[] {
  return hosts.flatMap((host) => socketAddress(host, port) ?? [])
}

function askServers(): Promise<Names['servers']> {
  const text = textOf('/etc/resolv.conf') ?? ''
  const hosts = [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)].map(([, host = '']) => host).slice(0, 3)
  return Promise.all(hosts.map(async (host) => ({ host, answers: await answers(host) })))
}

/** Asks for the name servers of the root, which every server answers somehow: a refusal is an answer too. */
function answers(host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(host.split('%')[0] ?? '') ? 'udp6' : 'udp4')
    const settle = (answered: boolean): void => {
      clearTimeout(timer)
      socket.close()
      resolve(answered)
    }
    const timer = setTimeout(() => settle(false), serverMs)
    socket.once('message', () => settle(true))
    socket.once('error', () => settle(false))
    // RFC 1035 section 4.1: id, flags (recursion desired), one question: the root, NS, IN.
    const question = Buffer.from([0x5b, 0x1e, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1])
    // Connected, so that the kernel tells of a port where nobody listens.
    try {
      socket.connect(53, host, (error?: Error) => {
        if (error === undefined) socket.send(question)
      })
    } catch {
      settle(false)
    }
  })
}
