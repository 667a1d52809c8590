import fc from 'fast-check'
import { type SocketAddress, socketAddress } from '../../src/core/address.ts'

export function address(ip: string, port: number): SocketAddress {
  const parsed = socketAddress(ip, port)
  if (parsed === undefined) throw new TypeError(`not an address: ${ip}`)
  return parsed
}

const port = fc.nat(65535)
const ofFamily = (family: 4 | 6) => {
  const length = family === 4 ? 4 : 16
  // Zero bytes often, so that IPv6 text has runs to shorten.
  const byte = fc.oneof(fc.constant(0), fc.nat(255))
  const bytes = fc.array(byte, { minLength: length, maxLength: length }).map((list) => Uint8Array.from(list))
  return fc.record({ family: fc.constant(family), bytes, port }, { noNullPrototype: true })
}

/** Any client or local address, of either family. */
export const anyAddress: fc.Arbitrary<SocketAddress> = fc.oneof(ofFamily(4), ofFamily(6))

/** What a receiver should read: the address itself, or v4-mapped when the other end is IPv6. */
export function asReceived(own: SocketAddress, other: SocketAddress): SocketAddress {
  if (own.family === other.family || own.family === 6) return own
  return {
    family: 6,
    bytes: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...own.bytes),
    port: own.port,
  }
}

/** One header of each shape, for tests over every prefix and every changed byte. */
export const ends = {
  IPv4: [address('192.0.2.1', 51234), address('198.51.100.7', 443)],
  IPv6: [address('2001:db8::5', 51234), address('2001:db8:0:1::443', 443)],
  'an IPv4 client on an IPv6 address': [address('192.0.2.1', 51234), address('2001:db8::443', 443)],
} as const satisfies Record<string, readonly [client: SocketAddress, local: SocketAddress]>
