import { readdirSync, readlinkSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { joinHostPort } from '../core/address.ts'
import { parseSockets } from './tcp-table.ts'

/** Who listens on a TCP port of this network namespace. */
export interface PortHolder {
  /** `0.0.0.0:80`, `[::]:80`. */
  readonly address: string
  readonly uid: number
  /** null: its process belongs to another user, or is in another PID namespace, and we may not look. */
  readonly process: { readonly pid: number; readonly command: string } | null
  /** Whether all processes were looked at. */
  readonly searched: boolean
}

interface Listener {
  readonly address: string
  readonly uid: number
  readonly inode: string
}

/**
 * Looking at a descriptor takes 2 µs; with the promises of node:fs it took 30 µs, and a holder behind 36,000
 * other descriptors was not found in time. A busy host has a million.
 */
const searchMs = 3_000
/** The main thread is yielded this often. */
const turnMs = 10

/**
 * Finds who listens on `port`, IPv4 or IPv6. undefined: nobody, or there is no /proc. Of several processes
 * that share the socket, the one with the lowest pid, which is the parent more often than not. Never rejects;
 * takes at most about `mostMs`.
 */
export async function portHolder(port: number, mostMs = searchMs): Promise<PortHolder | undefined> {
  const listeners = [
    ...listening(await table('/proc/net/tcp'), port),
    ...listening(await table('/proc/net/tcp6'), port),
  ]
  const [first] = listeners
  if (first === undefined) return undefined
  const owner = await findOwner(new Map(listeners.map((each) => [`socket:[${each.inode}]`, each])), mostMs)
  if (owner.kind !== 'found') {
    return { address: first.address, uid: first.uid, process: null, searched: owner.kind === 'nobody' }
  }
  const { listener, pid } = owner
  return {
    address: listener.address,
    uid: listener.uid,
    process: { pid, command: await commandOf(pid) },
    searched: true,
  }
}

/** `held by nginx (pid 1234), uid 0`. */
export function describeHolder(holder: PortHolder): string {
  if (holder.process !== null) {
    return `held by ${holder.process.command} (pid ${holder.process.pid}), uid ${holder.uid}`
  }
  const why = holder.searched ? 'root can see which' : 'there are too many descriptors here to find it'
  return `held by a process of uid ${holder.uid} (${why})`
}

/** Whether another process of user `uid` listens on `port` beside this one. False where there is no /proc. */
export async function portShared(port: number, uid: number): Promise<boolean> {
  const listeners = [
    ...listening(await table('/proc/net/tcp'), port),
    ...listening(await table('/proc/net/tcp6'), port),
  ]
  const own = new Set(namesIn('/proc/self/fd').map((fd) => targetOf(`/proc/self/fd/${fd}`)))
  return listeners.some((each) => each.uid === uid && !own.has(`socket:[${each.inode}]`))
}

async function table(path: string): Promise<string> {
  return readFile(path, 'latin1').catch(() => '') // no IPv6, or no Linux
}

/** A busy host has a million sockets: only lines that have the port in hexadecimal are taken apart. */
function listening(table: string, port: number): Listener[] {
  const mark = `:${port.toString(16).toUpperCase().padStart(4, '0')} `
  const lines = table.split('\n').filter((line) => line.includes(mark))
  return parseSockets(lines.join('\n'))
    .filter((socket) => socket.state === 'listen' && socket.port === port)
    .map(({ host, uid, inode }) => ({ address: joinHostPort(host, port), uid, inode }))
}

type Owner =
  | { readonly kind: 'found'; readonly pid: number; readonly listener: Listener }
  /** No process that we may look at. */
  | { readonly kind: 'nobody' }
  | { readonly kind: 'too-many' }

/** Processes of the socket's user come first: the holder is usually one of them. */
async function findOwner(wanted: ReadonlyMap<string, Listener>, mostMs: number): Promise<Owner> {
  const startMs = performance.now()
  let turn = startMs
  const uids = new Set(wanted.values().map(({ uid }) => uid))
  const pids = namesIn('/proc').map(Number).filter(Number.isInteger)
  const rank = new Map(pids.map((pid) => [pid, uids.has(uidOf(pid)) ? 0 : 1]))
  for (const pid of pids.sort((a, b) => (rank.get(a) ?? 0) - (rank.get(b) ?? 0) || a - b)) {
    const folder = `/proc/${pid}/fd`
    for (const fd of namesIn(folder)) {
      const listener = wanted.get(targetOf(`${folder}/${fd}`))
      if (listener !== undefined) return { kind: 'found', pid, listener }
      const nowMs = performance.now()
      if (nowMs - startMs > mostMs) return { kind: 'too-many' }
      if (nowMs - turn > turnMs) {
        await new Promise((resolve) => setImmediate(resolve))
        turn = performance.now()
      }
    }
  }
  return { kind: 'nobody' }
}

/** Empty: it is gone, or we may not look. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function targetOf(link: string): string {
  try {
    return readlinkSync(link)
  } catch {
    return ''
  }
}

function uidOf(pid: number): number {
  return statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid ?? -1
}

async function commandOf(pid: number): Promise<string> {
  const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')
  // Node names its main thread `node-MainThread`, which is not the name of a program.
  return name.replace(/\p{Cc}/gu, '').replace(/-MainThread$/, '') || 'a process that has just ended'
}

/** describeHolder() of whoever listens on `port`; undefined when nobody does. */
export async function holderText(port: number): Promise<string | undefined> {
  const holder = await portHolder(port)
  return holder && describeHolder(holder)
}
