import type { SocketAddress } from './address.ts'

/** What an address is that is not an ordinary host's: completes "it is …". */
export type Special =
  | 'unspecified'
  | 'loopback'
  | 'link-local'
  | 'multicast'
  | 'reserved'
  | 'broadcast'
  | 'a metadata service'

type Address = Pick<SocketAddress, 'family' | 'bytes'>

/**
 * What is special about an address, or null. The program runs in the host's network, so an address of these
 * kinds that somebody else wrote into a record would lead to what only the host itself may reach. An IPv6
 * address that a translator or a tunnel maps to an IPv4 address is judged by that one.
 */
export function specialOf({ family, bytes }: Address): Special | null {
  return family === 4 ? specialIpv4(bytes) : specialIpv6(bytes)
}

/**
 * Whether no host has this address: Linux takes 0.0.0.0 and :: for this host, and the others belong to no
 * host at all.
 */
export function isNobody(address: Address): boolean {
  const special = specialOf(address)
  return special !== null && nobody.has(special)
}

const nobody: ReadonlySet<Special> = new Set<Special>(['unspecified', 'multicast', 'reserved', 'broadcast'])

/** Metadata services of clouds, which hand out credentials, at addresses that are not link-local. */
const metadata: readonly (readonly number[])[] = [
  [100, 100, 100, 200], // Alibaba Cloud
  [168, 63, 129, 16], // Azure
  [192, 0, 0, 192], // Oracle Cloud
  [0xfd, 0, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54], // AWS, fd00:ec2::254
  [0xfd, 0x20, 0, 0xce, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54], // Google Cloud, fd20:ce::254
  [0xfd, 0, 0, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x42], // Scaleway, fd00:42::42
]

/** RFC 6890 section 2.2.2. */
function specialIpv4(bytes: Uint8Array): Special | null {
  const [a = 0, b = 0] = bytes
  if (a === 0) return 'unspecified'
  if (a === 127) return 'loopback'
  if (a === 169 && b === 254) return 'link-local'
  if (a >= 224 && a < 240) return 'multicast'
  if (bytes.every((byte) => byte === 255)) return 'broadcast'
  return a >= 240 ? 'reserved' : metadataOf(bytes)
}

function specialIpv6(bytes: Uint8Array): Special | null {
  const [a = 0, b = 0] = bytes
  if (a === 0xff) return 'multicast'
  if (a === 0xfe && (b & 0xc0) === 0x80) return 'link-local' // fe80::/10, RFC 4291 section 2.4
  if (isZero(bytes.subarray(0, 15)) && bytes[15] === 1) return 'loopback'
  const kinds = embedded(bytes).map(specialIpv4)
  // Bytes read at the wrong offset usually begin with zeros.
  const special = kinds.find((kind) => kind !== null && kind !== 'unspecified')
  if (special !== undefined) return special
  return kinds.length > 0 && kinds.every((kind) => kind === 'unspecified') ? 'unspecified' : metadataOf(bytes)
}

function metadataOf(bytes: Uint8Array): Special | null {
  return metadata.some((known) => known.length === bytes.length && beginsWith(bytes, known))
    ? 'a metadata service'
    : null
}

/** Prefixes of 96 bits; the IPv4 address is the rest. */
const before96: readonly (readonly number[])[] = [
  new Array(12).fill(0), // ::/96, RFC 4291 section 2.5.5.1
  [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff], // ::ffff:0:0/96: the kernel connects to the IPv4 address in it
  [0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0], // ::ffff:0:0:0/96, RFC 7915 (SIIT)
  [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0], // 64:ff9b::/96, RFC 6052
]
const sixToFour = [0x20, 0x02] // 2002::/16, RFC 3056
const localTranslation = [0, 0x64, 0xff, 0x9b, 0, 1] // 64:ff9b:1::/48, RFC 8215

/**
 * Where an IPv4 address stands behind a prefix of 48, 56, 64 and 96 bits: RFC 6052 section 2.2. How long the
 * prefix of a network is cannot be told from outside, so each is tried.
 */
const translated = [
  [6, 7, 9, 10],
  [7, 9, 10, 11],
  [9, 10, 11, 12],
  [12, 13, 14, 15],
] as const

/** The IPv4 addresses that may be meant. */
function embedded(bytes: Uint8Array): readonly Uint8Array[] {
  if (before96.some((prefix) => beginsWith(bytes, prefix))) return [bytes.subarray(12)]
  if (beginsWith(bytes, sixToFour)) return [bytes.subarray(2, 6)]
  if (!beginsWith(bytes, localTranslation)) return []
  return translated
    .filter(([first, , , last]) => first === 12 || (bytes[8] === 0 && isZero(bytes.subarray(last + 1))))
    .map((places) => Uint8Array.from(places, (at) => bytes[at] ?? 0))
}

function beginsWith(bytes: Uint8Array, start: readonly number[]): boolean {
  return start.every((byte, at) => bytes[at] === byte)
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0)
}
