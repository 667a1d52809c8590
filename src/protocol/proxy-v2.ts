import type { SocketAddress } from '../core/address.ts'
import { addressPair } from './address-pair.ts'

/** PROXY protocol, section 2.2. */
const signature = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a)
/** Version 2 in the upper half, the command in the lower. */
const commandLocal = 0x20
const commandProxy = 0x21
const unspecified = 0x00
const tcp4 = 0x11
const tcp6 = 0x21
const typeUniqueId = 0x05
/** Section 2.2.5. */
const maxUniqueIdBytes = 128
/** Signature, command, family, and the length of what follows. */
const headSize = 16
/** Type and length of a TLV. */
const tlvHeadSize = 3

/**
 * The binary PROXY header with the connection's id as PP2_TYPE_UNIQUE_ID, 28 to 183 bytes. `client` is who
 * connected, `local` the address it connected to. An empty `uniqueId` sends none; RangeError when it exceeds
 * 128 bytes of UTF-8.
 */
export function proxyV2(client: SocketAddress, local: SocketAddress, uniqueId: string): Uint8Array {
  const { family, source, destination } = addressPair(client, local)
  const id = Buffer.from(uniqueId) // and set() below: write() into `bytes` takes five times as long
  if (id.length > maxUniqueIdBytes) {
    throw new RangeError(
      `unique id of ${id.length} bytes: a PROXY v2 header holds at most ${maxUniqueIdBytes}, use a shorter one`,
    )
  }
  const ipSize = family === 4 ? 4 : 16
  const portsAt = headSize + 2 * ipSize
  const tlvAt = portsAt + 4
  const bytes = Buffer.alloc(id.length === 0 ? tlvAt : tlvAt + tlvHeadSize + id.length)
  writeHead(bytes, commandProxy, family === 4 ? tcp4 : tcp6)
  bytes.set(source.bytes, headSize)
  bytes.set(destination.bytes, headSize + ipSize)
  bytes.writeUInt16BE(source.port, portsAt)
  bytes.writeUInt16BE(destination.port, portsAt + 2)
  if (id.length > 0) {
    bytes.writeUInt8(typeUniqueId, tlvAt)
    bytes.writeUInt16BE(id.length, tlvAt + 1)
    bytes.set(id, tlvAt + tlvHeadSize)
  }
  return bytes
}

/** The header of a connection of our own, such as a probe: receivers must accept it. 16 bytes. */
export function proxyV2Local(): Uint8Array {
  const bytes = Buffer.alloc(headSize)
  writeHead(bytes, commandLocal, unspecified)
  return bytes
}

function writeHead(bytes: Buffer, command: number, family: number): void {
  bytes.set(signature, 0)
  bytes.writeUInt8(command, 12)
  bytes.writeUInt8(family, 13)
  bytes.writeUInt16BE(bytes.length - headSize, 14)
}
