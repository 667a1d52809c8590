import type { SocketAddress } from '../core/address.ts'
import type { WayBackFound } from '../core/way-back.ts'
import { parseSockets } from '../linux/tcp-table.ts'
import type { Facts, Plane, Running, WayBack } from './facts.ts'
import { readAddresses } from './node/addresses.ts'
import { readClock } from './node/clock.ts'
import { podOf, readCluster } from './node/cluster.ts'
import { askGateways, type Gateway } from './node/gateways.ts'
import { openFilesOf, readKernel } from './node/kernel.ts'
import { readNames } from './node/names.ts'
import { type Miss, readRules } from './node/netfilter.ts'
import { findOwners } from './node/owners.ts'
import { textOf } from './node/text.ts'
import type { Subject } from './subject.ts'

export interface LookOptions {
  readonly subject: Subject
  readonly running: Running
  readonly plane: Plane
  /** Whether to speak to gateways. */
  readonly probe: boolean
  /** Whether answers of an endpoint to a client's address come back. Never rejects. */
  readonly wayBack: (endpoint: SocketAddress) => Promise<WayBackFound>
}

/** Looks at this node and changes nothing. Never rejects; `miss` hears of what could not be seen. */
export async function look(
  { subject, running, plane, probe, wayBack }: LookOptions,
  miss: Miss,
): Promise<Facts> {
  // Before anybody is asked: our own connections are none of the node's.
  const sockets = readSockets(miss)
  const [chains, names] = await Promise.all([readRules(miss), readNames(subject, miss)])
  const gateways = await askGateways(names.asked, probe)
  const waysBack = await askWaysBack(subject, gateways, wayBack, miss)
  const listening = new Set(sockets.filter(({ state }) => state === 'listen').map(({ inode }) => inode))
  const { owners, complete } = findOwners(listening, podOf)
  if (!complete && [...listening].some((inode) => !owners.has(inode)))
    miss('which processes hold some of the ports: root sees them all, in the PID namespace of the host')
  const addresses = readAddresses()
  if (addresses.hosts.length === 0)
    miss('addresses of this host: no interface is up, or AF_NETLINK is forbidden')
  const pid = running.kind === 'answers' ? running.status.pid : null
  const ofRunning = pid === null ? null : openFilesOf(pid)
  return {
    subject,
    running,
    sockets,
    owners,
    chains,
    addresses,
    kernel: readKernel(),
    openFiles: { limit: ofRunning ?? openFilesOf('self') ?? 1024, pid: ofRunning === null ? null : pid },
    cluster: readCluster(addresses.interfaces),
    clock: readClock(Date.now()),
    names,
    gateways,
    waysBack,
    plane,
  }
}

/** Only of those that answer this host: of the others there is something worse to say. */
async function askWaysBack(
  { pools }: Subject,
  gateways: readonly Gateway[],
  wayBack: LookOptions['wayBack'],
  miss: Miss,
): Promise<readonly WayBack[]> {
  const transparent = new Set(pools.filter((pool) => pool.transparent).map(({ name }) => name))
  const asked = gateways.filter(({ pool, answer }) => transparent.has(pool) && answer.kind !== 'failed')
  const ways = await Promise.all(
    asked.map(async (gateway) => ({ gateway, found: await wayBack(gateway.address) })),
  )
  if (ways.some(({ found }) => found.kind === 'forbidden'))
    miss('whether answers to clients of transparent pools come back: asking needs CAP_NET_RAW')
  return ways
}

function readSockets(miss: Miss): Facts['sockets'] {
  const v4 = textOf('/proc/net/tcp')
  const v6 = textOf('/proc/net/tcp6')
  if (v4 === null) miss('sockets: /proc/net/tcp cannot be read')
  return [...parseSockets(v4 ?? ''), ...parseSockets(v6 ?? '')]
}
