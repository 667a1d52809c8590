import { textOf } from './text.ts'

export interface Kernel {
  /** `6.18.44`; empty: not known. */
  readonly release: string
  /** By name, `net.core.somaxconn`; what cannot be read is not in it. */
  readonly sysctls: ReadonlyMap<string, string>
  /** Counters of TcpExt since this network namespace began. */
  readonly tcp: ReadonlyMap<string, number>
  /** Effective capabilities of whoever asks; null: not known. */
  readonly capabilities: bigint | null
  readonly uid: number
}

const names = [
  'fs.pipe-user-pages-soft',
  'net.core.somaxconn',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.ip_nonlocal_bind',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.tcp_max_tw_buckets',
  'net.ipv4.tcp_migrate_req',
  'net.ipv4.tcp_tw_reuse',
  'net.ipv6.conf.all.disable_ipv6',
  'net.ipv6.conf.lo.disable_ipv6',
  'net.ipv6.ip_nonlocal_bind',
  'net.netfilter.nf_conntrack_count',
  'net.netfilter.nf_conntrack_max',
]

export function readKernel(): Kernel {
  const status = textOf('/proc/self/status') ?? ''
  const [, effective] = /^CapEff:\s*([0-9a-f]+)/m.exec(status) ?? []
  const [, release = ''] = /^(\d+\.\d+(?:\.\d+)?)/.exec(textOf('/proc/sys/kernel/osrelease') ?? '') ?? []
  const sysctls = names.flatMap((name): [string, string][] => {
    const text = textOf(`/proc/sys/${name.replaceAll('.', '/')}`)
    return text === null ? [] : [[name, text.trim()]]
  })
  return {
    release,
    sysctls: new Map(sysctls),
    tcp: parseNetstat(textOf('/proc/net/netstat') ?? ''),
    capabilities: effective === undefined ? null : BigInt(`0x${effective}`),
    uid: process.getuid?.() ?? 0,
  }
}

/** /proc/net/netstat: a line of names, then a line of numbers, both begin with `TcpExt:`. */
export function parseNetstat(text: string): ReadonlyMap<string, number> {
  const [titles = '', numbers = ''] = text.split('\n').filter((line) => line.startsWith('TcpExt: '))
  const values = numbers.split(' ')
  return new Map(
    titles
      .split(' ')
      .map((title, at) => [title, Number(values[at])] as const)
      .slice(1),
  )
}

/** `/proc/PID/limits`: the soft limit of open files; null: not known. */
export function openFilesOf(pid: number | 'self'): number | null {
  const soft = /^Max open files\s+(\S+)/m.exec(textOf(`/proc/${pid}/limits`) ?? '')?.[1]
  if (soft === undefined) return null
  return soft === 'unlimited' ? Infinity : Number(soft)
}
