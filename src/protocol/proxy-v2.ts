import type { SocketAddress } from '../core/address.ts'
import { addressPair } from './address-pair.ts'
import { crc32c } from './crc32c.ts'
import { noTlvs } from './proxy-found.ts'
import { headBytes, v2Signature } from './proxy-read-v2.ts'
import { maxUniqueIdBytes, tlvHeadBytes, tlvType, valueAt } from './proxy-tlv.ts'

/** Version 2 in the upper half, the command in the lower. */
const commandLocal = 0x20
const commandProxy = 0x21
const unspecified = 0x00
const tcp4 = 0x11
const tcp6 = 0x21

/**
 * The binary PROXY header. `client` is who connected, `local` the address it connected to. An empty
 * `uniqueId` sends none; RangeError when it exceeds 128 bytes of UTF-8. Without `received` it has 28 to 183
 * bytes.
 *
 * `received`: TLVs of a ProxyHeader, at most 16 KiB, which go on as they came, ahead of ours. Two exceptions:
 * `uniqueId` is sent as PP2_TYPE_UNIQUE_ID only when none came, so that a connection keeps its id along the
 * way; and a checksum is that of the new header, since the received one is wrong for it and leaving it out
 * would weaken what the sender asked for.
 */
export function proxyV2(
  client: SocketAddress,
  local: SocketAddress,
  uniqueId: string,
  received: Uint8Array = noTlvs,
): Uint8Array {
  const { family, source, destination } = addressPair(client, local)
  const ipSize = family === 4 ? 4 : 16
  const portsAt = headBytes + 2 * ipSize
  const tlvsAt = portsAt + 4
  const bytes = withTlvs(tlvsAt, uniqueId, received)
  writeHead(bytes, commandProxy, family === 4 ? tcp4 : tcp6)
  bytes.set(source.bytes, headBytes)
  bytes.set(destination.bytes, headBytes + ipSize)
  bytes.writeUInt16BE(source.port, portsAt)
  bytes.writeUInt16BE(destination.port, portsAt + 2)
  if (received.length > 0) writeChecksum(bytes, tlvsAt, received)
  return bytes
}

/**
 * The header of a connection that is nobody's but ours, such as a probe: receivers must accept it. 16 bytes.
 */
export function proxyV2Local(): Uint8Array {
  return proxyV2Unknown('')
}

/**
 * The header of a client whose address nobody knows. LOCAL without a family, as HAProxy sends it: PROXY
 * without one is refused by Envoy and others. `uniqueId` and `received` as in proxyV2().
 */
export function proxyV2Unknown(uniqueId: string, received: Uint8Array = noTlvs): Uint8Array {
  const bytes = withTlvs(headBytes, uniqueId, received)
  writeHead(bytes, commandLocal, unspecified)
  if (received.length > 0) writeChecksum(bytes, headBytes, received)
  return bytes
}

/** A header whose TLVs begin at `at`, and nothing ahead of them yet. */
function withTlvs(at: number, uniqueId: string, received: Uint8Array): Buffer {
  const id = Buffer.from(uniqueId) // and set() below: write() into `bytes` takes five times as long
  if (id.length > maxUniqueIdBytes) {
    throw new RangeError(
      `unique id of ${id.length} bytes: a PROXY v2 header holds at most ${maxUniqueIdBytes}, use a shorter one`,
    )
  }
  const isNamed = id.length === 0 || (received.length > 0 && valueAt(received, tlvType.uniqueId) !== -1)
  const idAt = at + received.length
  const bytes = Buffer.alloc(isNamed ? idAt : idAt + tlvHeadBytes + id.length)
  bytes.set(received, at)
  if (!isNamed) {
    bytes.writeUInt8(tlvType.uniqueId, idAt)
    bytes.writeUInt16BE(id.length, idAt + 1)
    bytes.set(id, idAt + tlvHeadBytes)
  }
  return bytes
}

function writeHead(bytes: Buffer, command: number, family: number): void {
  bytes.set(v2Signature, 0)
  bytes.writeUInt8(command, 12)
  bytes.writeUInt8(family, 13)
  bytes.writeUInt16BE(bytes.length - headBytes, 14)
}

/** Last of all: it is a sum over everything else. */
function writeChecksum(bytes: Buffer, tlvsAt: number, received: Uint8Array): void {
  const at = valueAt(received, tlvType.crc32c)
  if (at !== -1) bytes.writeUInt32BE(crc32c(bytes, tlvsAt + at), tlvsAt + at)
}
