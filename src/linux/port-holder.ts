import { readdir, readFile, readlink } from 'node:fs/promises'
import { SocketAddress } from 'node:net'

/** Who listens on a TCP port of this network namespace. */
export interface PortHolder {
  /** `0.0.0.0:80`, `[::]:80`. */
  readonly address: string
  readonly uid: number
  /** null: its process belongs to another user, or is in another PID namespace, and we may not look. */
  readonly process: { readonly pid: number; readonly command: string } | null
}

interface Listener {
  readonly address: string
  readonly uid: number
  readonly inode: string
}

/** Looking through the descriptors of every process takes about 30 µs a descriptor; a busy host has a million. */
const searchMs = 1_000

/**
 * Finds who listens on `port`, IPv4 or IPv6. undefined: nobody, or there is no /proc. Of several processes that share the
 * socket, the one with the lowest pid, which is the parent more often than not. Never rejects; takes at most about a second.
 */
export async function portHolder(port: number): Promise<PortHolder | undefined> {
  const listeners = [
    ...listening(await table('/proc/net/tcp'), port),
    ...listening(await table('/proc/net/tcp6'), port),
  ]
  const [first] = listeners
  if (first === undefined) return undefined
  const owner = await findOwner(new Map(listeners.map((each) => [`socket:[${each.inode}]`, each])))
  if (owner === undefined) return { address: first.address, uid: first.uid, process: null }
  const { listener, pid } = owner
  return {
    address: listener.address,
    uid: listener.uid,
    process: { pid, command: await commandOf(pid) },
  }
}

/** `held by nginx (pid 1234), uid 0`. */
export function describeHolder(holder: PortHolder): string {
  return holder.process === null
    ? `held by a process of uid ${holder.uid} (root can see which)`
    : `held by ${holder.process.command} (pid ${holder.process.pid}), uid ${holder.uid}`
}

/** Whether another process of user `uid` listens on `port` beside this one. False where there is no /proc. */
export async function portShared(port: number, uid: number): Promise<boolean> {
  const listeners = [
    ...listening(await table('/proc/net/tcp'), port),
    ...listening(await table('/proc/net/tcp6'), port),
  ]
  const own = new Set<string>()
  for (const fd of await readdir('/proc/self/fd').catch(() => [])) {
    own.add(await readlink(`/proc/self/fd/${fd}`).catch(() => ''))
  }
  return listeners.some((each) => each.uid === uid && !own.has(`socket:[${each.inode}]`))
}

async function table(path: string): Promise<string> {
  return readFile(path, 'latin1').catch(() => '') // no IPv6, or no Linux
}

/** Columns of /proc/net/tcp: sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode. */
function listening(table: string, port: number): Listener[] {
  const found: Listener[] = []
  for (const line of table.split('\n')) {
    const [, local = '', , state, , , , uid = '', , inode = ''] = line.trim().split(/\s+/)
    const [ip = '', hexPort = ''] = local.split(':')
    if (state !== '0A' || Number.parseInt(hexPort, 16) !== port) continue // 0A: TCP_LISTEN
    found.push({ address: formatted(ip, port), uid: Number(uid), inode })
  }
  return found
}

/** The kernel prints an address as 32-bit words in the byte order of the machine, little-endian on x64 and arm64. */
function formatted(hex: string, port: number): string {
  const bytes = Buffer.from(hex, 'hex').swap32()
  if (bytes.length === 4) return `${bytes.join('.')}:${port}`
  const groups = bytes.toString('hex').replace(/(.{4})(?!$)/g, '$1:')
  return `[${new SocketAddress({ address: groups, family: 'ipv6' }).address}]:${port}`
}

async function findOwner(
  wanted: ReadonlyMap<string, Listener>,
): Promise<{ pid: number; listener: Listener } | undefined> {
  const deadline = performance.now() + searchMs
  const names = await readdir('/proc').catch(() => [])
  const pids = names.map(Number).filter(Number.isInteger)
  for (const pid of pids.sort((a, b) => a - b)) {
    const folder = `/proc/${pid}/fd`
    for (const fd of await readdir(folder).catch(() => [])) {
      if (performance.now() > deadline) return undefined
      const listener = wanted.get(await readlink(`${folder}/${fd}`).catch(() => ''))
      if (listener !== undefined) return { pid, listener }
    }
  }
  return undefined
}

async function commandOf(pid: number): Promise<string> {
  const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')
  // Node names its main thread `node-MainThread`, which is nobody's program.
  return name.replace(/\p{Cc}/gu, '').replace(/-MainThread$/, '') || 'a process that has just ended'
}

/** describeHolder() of whoever listens on `port`; undefined when nobody does. */
export async function holderText(port: number): Promise<string | undefined> {
  const holder = await portHolder(port)
  return holder && describeHolder(holder)
}
