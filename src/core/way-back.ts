import { formatIp, type SocketAddress } from './address.ts'
import { specialOf } from './special-address.ts'

/** Words of a command, in a form that needs no shell. */
type Words = readonly string[]

/** What came back of a SYN. */
export type FirstAnswer =
  /** The endpoint accepted or refused. `local`: where the connection began. */
  | { readonly kind: 'answered'; readonly local: SocketAddress }
  | { readonly kind: 'silent' }
  /** `code`: an errno name. */
  | { readonly kind: 'failed'; readonly code: string }

/** Whether answers of an endpoint to a client's address come back to this host. */
export type WayBackFound =
  | { readonly kind: 'there' }
  /** `rules`: what is missing, as command lines. */
  | { readonly kind: 'missing'; readonly rules: readonly Words[] }
  /** The endpoint answers nobody. */
  | { readonly kind: 'unknown' }
  /** This process may not ask: EPERM. */
  | { readonly kind: 'forbidden' }

/** As in the kernel's own text on transparent proxies: a table that is there already is the same one. */
const table = '100'

/**
 * What brings an endpoint's answers to a client's address back to this host, which does not have it: rules of
 * routing, to be run once, as root. A rule is as narrow as it can be, but it takes whatever `endpoint` sends
 * from its port: whoever connects to it directly, by way of this host, gets no answer any more. `device`:
 * where the answers come in; null: the endpoint is on this host.
 */
export function wayBack(endpoint: SocketAddress, device: string | null): readonly Words[] {
  const ip = endpoint.family === 4 ? ['ip'] : ['ip', '-6']
  const all = endpoint.family === 4 ? '0.0.0.0/0' : '::/0'
  const from = ['iif', device ?? 'lo', 'from', formatIp(endpoint)]
  const port = ['ipproto', 'tcp', 'sport', String(endpoint.port)]
  return [
    [...ip, 'rule', 'add', ...from, ...port, 'lookup', table],
    [...ip, 'route', 'add', 'local', all, 'dev', 'lo', 'table', table],
  ]
}

/** Of the packet's mark; the others are left to whoever uses them. */
const bit = '0x1'

/**
 * The same for all endpoints on other hosts, by nftables instead of `ip rule add iif`: it takes what belongs
 * to a transparent socket, and so nothing of whoever connects to an endpoint directly, by way of this host.
 */
export const wayBackBySocket: readonly Words[] = [
  ['nft', 'add', 'table', 'inet', 'spliceway'],
  ['nft', 'add chain inet spliceway way_back { type filter hook prerouting priority mangle; }'],
  [
    'nft',
    `add rule inet spliceway way_back meta l4proto tcp socket transparent 1 meta mark set meta mark or ${bit}`,
  ],
  ...[['ip'], ['ip', '-6']].map((ip) => [...ip, 'rule', 'add', 'fwmark', `${bit}/${bit}`, 'lookup', table]),
]

/**
 * A client's address that no client has: of TEST-NET-1 (RFC 5737), of the documentation prefix of IPv6 (RFC
 * 3849).
 */
export function nobodysAddress(family: 4 | 6): SocketAddress {
  return family === 4
    ? { family, bytes: Uint8Array.of(192, 0, 2, 1), port: 0 }
    : { family, bytes: Uint8Array.of(0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), port: 0 }
}

export interface HostAddress {
  /** `eth0` */
  readonly device: string
  /** `10.2.0.1`, without a zone. */
  readonly address: string
}

/**
 * Where the answers of `endpoint` come in: null: it is on this host; undefined: not known. `local`: where a
 * connection to it begins, of this host's addresses `own`.
 */
export function deviceOf(
  endpoint: SocketAddress,
  local: SocketAddress | null,
  own: readonly HostAddress[],
): string | null | undefined {
  const has = (address: SocketAddress) => own.find((each) => each.address === formatIp(address))
  if (specialOf(endpoint) === 'loopback' || has(endpoint) !== undefined) return null
  return local === null ? undefined : has(local)?.device
}
