import { parseSockets } from '../linux/tcp-table.ts'
import type { Facts, Plane, Running } from './facts.ts'
import { readAddresses } from './node/addresses.ts'
import { readClock } from './node/clock.ts'
import { podOf, readCluster } from './node/cluster.ts'
import { askGateways } from './node/gateways.ts'
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
}

/** Looks at this node and changes nothing. Never rejects; `miss` hears of what could not be seen. */
export async function look({ subject, running, plane, probe }: LookOptions, miss: Miss): Promise<Facts> {
  // Before anybody is asked: our own connections are none of the node's.
  const sockets = readSockets(miss)
  const [chains, names] = await Promise.all([readRules(miss), readNames(subject, miss)])
  const gateways = await askGateways(names.asked, probe)
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
    plane,
  }
}

function readSockets(miss: Miss): Facts['sockets'] {
  const v4 = textOf('/proc/net/tcp')
  const v6 = textOf('/proc/net/tcp6')
  if (v4 === null) miss('sockets: /proc/net/tcp cannot be read')
  return [...parseSockets(v4 ?? ''), ...parseSockets(v6 ?? '')]
}
