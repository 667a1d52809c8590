import type { SocketAddress } from '../core/address.ts'
import type { Block } from './block.ts'
import { AF_INET, AF_INET6 } from './constants.ts'

/** struct sockaddr_in6, the longer of the two. */
export const sockaddrSize = 28
const ipv4Size = 16

/** Writes `address` as the kernel wants it; returns how many bytes that are. */
export function writeSockaddr(block: Block, address: SocketAddress): number {
  const { bytes, view } = block
  bytes.fill(0, 0, sockaddrSize)
  view.setUint16(0, address.family === 4 ? AF_INET : AF_INET6, true)
  view.setUint16(2, address.port)
  bytes.set(address.bytes, address.family === 4 ? 4 : 8)
  return address.family === 4 ? ipv4Size : sockaddrSize
}

/** The address that the kernel has written; a v4-mapped one is IPv4. */
export function readSockaddr({ bytes, view }: Block): SocketAddress {
  const port = view.getUint16(2)
  if (view.getUint16(0, true) === AF_INET) return { family: 4, bytes: copy(bytes, 4, 4), port }
  return isV4Mapped(bytes)
    ? { family: 4, bytes: copy(bytes, 20, 4), port }
    : { family: 6, bytes: copy(bytes, 8, 16), port }
}

/** An IPv4 address as one number, network order; undefined when the block holds an IPv6 one. */
export function readV4({ bytes, view }: Block): number | undefined {
  if (view.getUint16(0, true) === AF_INET) return view.getUint32(4)
  return isV4Mapped(bytes) ? view.getUint32(20) : undefined
}

export function readPort({ view }: Block): number {
  return view.getUint16(2)
}

/** What readV4() and readPort() have read, for those who want to see it. */
export function v4Address(v4: number, port: number): SocketAddress {
  const bytes = new Uint8Array(4)
  for (let i = 0; i < 4; i++) bytes[i] = v4 >>> (24 - 8 * i)
  return { family: 4, bytes, port }
}

/** By hand: Uint8Array.from() costs ten times as much for four bytes. */
function copy(bytes: Uint8Array, from: number, length: number): Uint8Array {
  const part = new Uint8Array(length)
  for (let i = 0; i < length; i++) part[i] = bytes[from + i] ?? 0
  return part
}

function isV4Mapped(bytes: Uint8Array): boolean {
  for (let i = 8; i < 18; i++) if (bytes[i] !== 0) return false
  return bytes[18] === 0xff && bytes[19] === 0xff
}
