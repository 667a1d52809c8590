import { socketAddress } from '../../src/core/address.ts'
import type { Status } from '../../src/core/status.ts'
import type { Facts, Running } from '../../src/doctor/facts.ts'
import type { Gateway } from '../../src/doctor/node/gateways.ts'
import { type IptablesName, parseIptables } from '../../src/doctor/node/iptables.ts'
import type { Owner } from '../../src/doctor/node/owners.ts'
import type { Chain } from '../../src/doctor/node/rules.ts'
import type { Socket } from '../../src/linux/tcp-table.ts'

/** A node on which all is well: ports 80 and 443, a gateway for each, nothing running yet. */
export const healthy: Facts = {
  subject: {
    source: 'edge.yaml',
    listeners: [
      { name: 'http', host: '::', port: 80, pool: 'web' },
      { name: 'https', host: '::', port: 443, pool: 'web-tls' },
    ],
    pools: [
      {
        name: 'web',
        endpoints: [{ host: '127.0.0.1', port: 9080 }],
        sendProxyProtocol: 'off',
        warm: false,
        transparent: false,
      },
      {
        name: 'web-tls',
        endpoints: [{ host: '10.0.0.5', port: 9443 }],
        sendProxyProtocol: 'off',
        warm: false,
        transparent: false,
      },
    ],
    admin: { host: '127.0.0.1', port: 9981 },
    connections: 'auto',
    plane: 'auto',
  },
  running: { kind: 'nobody' },
  sockets: [],
  owners: new Map(),
  chains: [],
  addresses: {
    hosts: [
      { interface: 'lo', host: '127.0.0.1', family: 4, network: '127.0.0.1/8' },
      { interface: 'eth0', host: '10.0.0.2', family: 4, network: '10.0.0.2/24' },
      { interface: 'eth0', host: '2001:db8::2', family: 6, network: '2001:db8::2/64' },
    ],
    interfaces: ['lo', 'eth0'],
  },
  kernel: {
    release: '6.12.3',
    sysctls: new Map([
      ['fs.pipe-user-pages-soft', '16384'],
      ['net.core.somaxconn', '4096'],
      ['net.ipv4.ip_local_port_range', '32768\t60999'],
      ['net.ipv4.ip_local_reserved_ports', ''],
      ['net.ipv4.ip_nonlocal_bind', '0'],
      ['net.ipv4.ip_unprivileged_port_start', '1024'],
      ['net.ipv4.tcp_migrate_req', '0'],
      ['net.ipv6.conf.all.disable_ipv6', '0'],
    ]),
    tcp: new Map(),
    capabilities: (1n << 41n) - 1n,
    uid: 0,
  },
  openFiles: { limit: 65_536, pid: null },
  cluster: { cilium: null, portmap: [], serviceLb: [], ipvs: [] },
  clock: { nowMs: Date.UTC(2026, 10, 27), keeper: 'chronyd (pid 512)', synchronized: null },
  names: { lost: [], servers: [] },
  gateways: [gateway({}), gateway({ pool: 'web-tls', host: '10.0.0.5', port: 9443 })],
  waysBack: [],
  plane: { kind: 'splice' },
}

export function gateway(some: Partial<Gateway>): Gateway {
  const { host = '127.0.0.1', port = 9080 } = some
  const address = socketAddress(host, port)
  if (address === undefined) throw new Error(`${host} is no address`)
  return {
    pool: 'web',
    address,
    host,
    port,
    sendProxyProtocol: 'off',
    warm: false,
    answer: { kind: 'connected', first: 'silence' },
    speech: null,
    ...some,
  }
}

export function listening(host: string, port: number, some: Partial<Socket> = {}): Socket {
  return {
    state: 'listen',
    host,
    port,
    remoteHost: '0.0.0.0',
    remotePort: 0,
    waiting: 0,
    uid: 0,
    inode: '1',
    ...some,
  }
}

export function owner(some: Partial<Owner> = {}): Owner {
  return { pid: 42, command: 'nginx', spliceway: false, stopped: false, home: { kind: 'none' }, ...some }
}

/** What iptables-save prints of one table. */
export function saved(
  table: string,
  lines: string,
  program: IptablesName = 'iptables-nft',
): readonly Chain[] {
  return parseIptables(`*${table}\n${lines}\nCOMMIT\n`, program)
}

/** The process 7, which has accepted `accepted` connections on [::]:80 in `minutes`. */
export function running(accepted: number, minutes: number): Running {
  const status: Status = {
    version: '0.1.0',
    node: 'v26.10.0',
    pid: 7,
    plane: { name: 'splice', why: '' },
    state: 'serving',
    uptimeMs: minutes * 60_000,
    connections: { active: 0, limit: 1, limitedBy: '' },
    listeners: [
      {
        name: 'http',
        address: '[::]:80',
        pool: 'web',
        routes: 0,
        refused: {},
        failed: {},
        bytesUp: 0,
        bytesDown: 0,
        active: 0,
        accepted,
        maxConnections: null,
        full: null,
      },
    ],
    pools: [],
    predecessors: [],
    workers: [],
    config: { source: 'edge.yaml', loadedMsAgo: 0, lastReload: { successful: true, message: '' } },
  }
  return { kind: 'answers', status }
}
