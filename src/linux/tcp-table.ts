import { SocketAddress } from 'node:net'
import { parseIp } from '../core/address.ts'

/** TCP states of the kernel (net/tcp_states.h) that anything here asks for. */
export type SocketState = 'established' | 'time-wait' | 'listen' | 'other'

/** A TCP socket of this network namespace, from /proc/net/tcp and tcp6. v4-mapped addresses are IPv4. */
export interface Socket {
  readonly state: SocketState
  readonly host: string
  readonly port: number
  readonly remoteHost: string
  readonly remotePort: number
  /** Of a listener: connections that wait to be accepted. */
  readonly waiting: number
  readonly uid: number
  /** `0`: no process holds it, as in TIME_WAIT. */
  readonly inode: string
}

const states: Readonly<Record<string, SocketState>> = {
  '01': 'established',
  '06': 'time-wait',
  '0A': 'listen',
}

/** Columns: sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode. */
export function parseSockets(table: string): readonly Socket[] {
  const found: Socket[] = []
  for (const line of table.split('\n')) {
    const [, local, remote, state = '', queues = '', , , uid, , inode] = line.trim().split(/\s+/)
    const here = endOf(local)
    const there = endOf(remote)
    if (here === null || there === null) continue
    found.push({
      state: states[state] ?? 'other',
      ...here,
      remoteHost: there.host,
      remotePort: there.port,
      waiting: state === '0A' ? Number.parseInt(queues.split(':')[1] ?? '0', 16) : 0,
      uid: Number(uid),
      inode: inode ?? '0',
    })
  }
  return found
}

/**
 * The kernel prints an address as 32-bit words in the byte order of the machine, little-endian on x64 and
 * arm64.
 */
function endOf(text = ''): { readonly host: string; readonly port: number } | null {
  const [, hex, port] = /^([\dA-F]{8}|[\dA-F]{32}):([\dA-F]{4})$/.exec(text) ?? []
  if (hex === undefined || port === undefined) return null
  const bytes = Buffer.from(hex, 'hex').swap32()
  return { host: bytes.length === 4 ? bytes.join('.') : ipv6(bytes), port: Number.parseInt(port, 16) }
}

function ipv6(bytes: Buffer): string {
  const groups = bytes.toString('hex').replace(/(.{4})(?!$)/g, '$1:')
  const { address } = new SocketAddress({ address: groups, family: 'ipv6' })
  const mapped = parseIp(address)
  return mapped?.family === 4 ? mapped.bytes.join('.') : address
}
