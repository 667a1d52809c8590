import type { Bench } from './bench.ts'
import type { Child } from './children.ts'
import { freePort } from './listening.ts'
import { redirect } from './namespaces.ts'
import { missing, type PeerName, peerNames, startPeer } from './peers.ts'
import { loopback, type Place, type Target } from './place.ts'
import { startSpliceway } from './spliceway.ts'

export type { Target } from './place.ts'

/** One way from the load to the backend. */
export interface Contender {
  readonly name: ContenderName
  /** null: there is no forwarder. */
  readonly forwarder: Child | null
  readonly target: Target
  /** A load of its own, where the common one cannot reach it. */
  readonly load: Child | null
}

export type ContenderName =
  | PeerName
  | 'direct'
  | 'pipe'
  | 'pipe (A/A)'
  | 'data'
  | 'plane'
  | 'spliceway'
  | 'spliceway, log on'
  | 'spliceway, net'
  | 'iptables REDIRECT'

/** Everyone. `spliceway` is the splice plane; nobody writes an access log unless the name says so. */
export const all: readonly ContenderName[] = [
  'direct',
  'iptables REDIRECT',
  'spliceway',
  'spliceway, net',
  'pipe',
  ...peerNames,
]
/** What an access log costs, everyone by their own. */
export const logging: readonly ContenderName[] = ['spliceway, log on', 'HAProxy, log on', 'nginx, log on']
/** Whoever a ratio with a target needs. */
export const judged: readonly ContenderName[] = ['spliceway', 'HAProxy', 'nginx', 'nginx (A/A)']

/**
 * Starts one forwarder a name; the i-th goes to `backend(i)`, so that none uses up the local ports of another. What is
 * not installed or not permitted is named and left out.
 */
export async function startContenders(
  bench: Bench,
  names: readonly ContenderName[],
  backend: (index: number) => Target,
  place: Place = loopback(bench),
): Promise<Contender[]> {
  const contenders: Contender[] = []
  for (const [index, name] of names.entries()) {
    const contender = await start(bench, name, backend(index), place)
    if (typeof contender !== 'string') contenders.push(contender)
    else bench.report.say(`left out: ${name} (${contender})`)
  }
  return contenders
}

/** `names`, with the HAProxy of `--haproxy` behind the installed one. */
export function withGiven(names: readonly ContenderName[], { haproxy }: Bench): readonly ContenderName[] {
  if (haproxy === null) return names
  return names.flatMap((name): ContenderName[] => (name === 'HAProxy' ? [name, 'HAProxy, given'] : [name]))
}

async function start(
  bench: Bench,
  name: ContenderName,
  backend: Target,
  place: Place,
): Promise<Contender | string> {
  const reached = (forwarder: Child, port: number): Contender => {
    return { name, forwarder, target: { host: place.host, port }, load: null }
  }
  switch (name) {
    case 'direct':
      return { name, forwarder: null, target: backend, load: null }
    case 'iptables REDIRECT':
      return startRedirect(bench)
    case 'pipe':
    case 'pipe (A/A)':
    case 'data':
    case 'plane': {
      const script = name === 'data' || name === 'plane' ? name : 'pipe'
      const url = new URL(`../${script}-proxy.ts`, import.meta.url)
      const { child, ready } = await bench.children.script(
        url,
        [backend.host, String(backend.port), place.host],
        { core: place.core, namespace: place.namespace, uid: bench.user.uid },
      )
      return reached(child, Number(ready.port))
    }
    case 'spliceway':
    case 'spliceway, log on':
    case 'spliceway, net': {
      const access = name === 'spliceway, log on' ? 'all' : 'none'
      const plane = name === 'spliceway, net' ? 'net' : 'splice'
      const { port, child } = await startSpliceway(bench, { backend, access, plane }, place)
      return reached(child, port)
    }
    case 'HAProxy':
    case 'HAProxy, given':
    case 'HAProxy, splice-auto':
    case 'HAProxy, log on':
    case 'nginx':
    case 'nginx (A/A)':
    case 'nginx, half-close off':
    case 'nginx, log on':
    case 'socat': {
      const lacking = missing(name, bench.haproxy)
      if (lacking !== null) return `${lacking} is not installed`
      const { port, child } = await startPeer(bench, name, backend, place)
      return reached(child, port)
    }
  }
}

/**
 * The rule has a namespace and a load of its own: where there is one rule, the kernel tracks every connection, and the
 * others would pay for it.
 */
async function startRedirect(bench: Bench): Promise<Contender | string> {
  const name = 'iptables REDIRECT'
  try {
    const namespace = bench.namespaces.make('redirect')
    const url = new URL('../load/wire-load.ts', import.meta.url)
    const { child, ready } = await bench.children.script(url, [], { core: bench.pins.load, namespace })
    const port = freePort()
    redirect(namespace, port, Number(ready.port))
    return { name, forwarder: null, target: { host: '127.0.0.1', port }, load: child }
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
