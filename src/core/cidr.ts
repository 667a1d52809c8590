import { formatIp, parseIp } from './address.ts'

/**
 * A range of addresses: those that begin with the first `prefix` bits of `bytes`. Bits behind them may be
 * set.
 */
export interface Cidr {
  readonly family: 4 | 6
  readonly bytes: Uint8Array
  readonly prefix: number
}

export type ParsedCidr =
  | { readonly kind: 'ok'; readonly cidr: Cidr }
  /** `message` completes "10.0.0.0/33 …". */
  | { readonly kind: 'bad'; readonly message: string; readonly hint: string }

/**
 * Reads `10.0.0.0/8`, `2001:db8::/32`, or a single address. A v4-mapped range is an IPv4 range, as every
 * v4-mapped client is an IPv4 client: `::ffff:192.0.2.0/120` is `192.0.2.0/24`.
 */
export function parseCidr(text: string): ParsedCidr {
  const slash = text.indexOf('/')
  const address = slash === -1 ? text : text.slice(0, slash)
  const ip = address.includes('%') ? undefined : parseIp(address)
  if (ip === undefined) {
    return bad('must be an address or a range', 'for example 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32')
  }
  const isWrittenAsIpv6 = address.includes(':')
  const bits = isWrittenAsIpv6 ? 128 : 32
  const prefix = slash === -1 ? bits : readPrefix(text.slice(slash + 1))
  if (prefix === undefined || prefix > bits) {
    return bad('has a bad prefix', `a whole number from 0 to ${bits} goes behind the slash`)
  }
  if (ip.family === 6 || !isWrittenAsIpv6) return { kind: 'ok', cidr: { ...ip, prefix } }
  if (prefix < 96) return bad('covers more than IPv4', 'a v4-mapped range has a prefix from 96 to 128')
  return { kind: 'ok', cidr: { ...ip, prefix: prefix - 96 } }
}

/** The range as it should have been written: 10.0.0.1/8 is 10.0.0.0/8, and larger than it looks. */
export function formatCidr({ family, bytes, prefix }: Cidr): string {
  const kept = bytes.map((byte, i) => byte & ~(0xff >> Math.max(0, Math.min(8, prefix - 8 * i))))
  return `${formatIp({ family, bytes: kept })}/${prefix}`
}

/** Whether an address of the range's family is in it. */
export function within(range: Cidr, address: Uint8Array): boolean {
  for (let i = 0; 8 * i < range.prefix; i++) {
    const kept = 0xff & ~(0xff >> Math.min(8, range.prefix - 8 * i))
    if ((((range.bytes[i] ?? 0) ^ (address[i] ?? 0)) & kept) !== 0) return false
  }
  return true
}

/** Whether bits behind the prefix are set. */
export function isLoose({ bytes, prefix }: Cidr): boolean {
  for (let i = prefix >> 3; i < bytes.length; i++) {
    if (((bytes[i] ?? 0) & (0xff >> Math.max(0, prefix - 8 * i))) !== 0) return true
  }
  return false
}

function readPrefix(text: string): number | undefined {
  return /^(0|[1-9]\d{0,2})$/.test(text) ? Number(text) : undefined
}

function bad(message: string, hint: string): ParsedCidr {
  return { kind: 'bad', message, hint }
}
