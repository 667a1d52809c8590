import type { SocketAddress } from '../../src/core/address.ts'

/**
 * What a receiver makes of the first bytes of a connection. Written from the PROXY protocol's text and sharing no code
 * with the encoders. Addresses are null where the header names none (v2 LOCAL or UNSPEC, v1 UNKNOWN).
 */
export type ReadProxy =
  | {
      readonly kind: 'found'
      readonly version: 1 | 2
      readonly source: SocketAddress | null
      readonly destination: SocketAddress | null
      /** PP2_TYPE_UNIQUE_ID; null: none was sent. */
      readonly uniqueId: string | null
      /** Bytes of the header; what follows is the client's. */
      readonly length: number
    }
  /** A beginning of a header: more bytes are needed. */
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'invalid'; readonly reason: string }

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')

/** Reads a header of either version off the front. Strict: what a sender may not send is invalid. Never throws. */
export function readProxy(bytes: Uint8Array): ReadProxy {
  const buffer = Buffer.from(bytes)
  if (agree(buffer, signature)) return buffer.length < 16 ? incomplete : readV2(buffer)
  if (agree(buffer, Buffer.from('PROXY '))) return readV1(buffer)
  return invalid('neither signature')
}

const incomplete: ReadProxy = { kind: 'incomplete' }

function invalid(reason: string): ReadProxy {
  return { kind: 'invalid', reason }
}

/** Do they agree as far as both go? */
function agree(a: Buffer, b: Buffer): boolean {
  const length = Math.min(a.length, b.length)
  return a.subarray(0, length).equals(b.subarray(0, length))
}

function readV1(buffer: Buffer): ReadProxy {
  // Section 2.1: at most 107 bytes, and neither CR nor LF alone ends the line.
  const line = /^PROXY ([^\r\n]*)\r\n/.exec(buffer.subarray(0, 107).toString('latin1'))
  if (line === null) {
    const pending = /^[^\r\n]*\r?$/.test(buffer.toString('latin1'))
    return pending && buffer.length < 107 ? incomplete : invalid('no CRLF where the line must end')
  }
  const length = line[0].length
  const [protocol, ...rest] = (line[1] ?? '').split(' ')
  if (protocol === 'UNKNOWN') {
    return { kind: 'found', version: 1, source: null, destination: null, uniqueId: null, length }
  }
  if (protocol !== 'TCP4' && protocol !== 'TCP6') return invalid(`protocol ${protocol}`)
  if (rest.length !== 4) return invalid(`${rest.length} fields after the protocol`)
  const [sourceIp = '', destinationIp = '', sourcePort = '', destinationPort = ''] = rest
  const source = readEnd(protocol, sourceIp, sourcePort)
  const destination = readEnd(protocol, destinationIp, destinationPort)
  if (source === undefined) return invalid(`source ${sourceIp} ${sourcePort}`)
  if (destination === undefined) return invalid(`destination ${destinationIp} ${destinationPort}`)
  return { kind: 'found', version: 1, source, destination, uniqueId: null, length }
}

function readEnd(protocol: 'TCP4' | 'TCP6', ip: string, portText: string): SocketAddress | undefined {
  const bytes = protocol === 'TCP4' ? readIpv4(ip) : readIpv6(ip)
  const port = readDecimal(portText, 65535)
  if (bytes === undefined || port === undefined) return undefined
  return { family: protocol === 'TCP4' ? 4 : 6, bytes, port }
}

/** Digits only, no leading zero. */
function readDecimal(text: string, max: number): number | undefined {
  if (!/^(0|[1-9][0-9]{0,4})$/.test(text)) return undefined
  const value = Number(text)
  return value <= max ? value : undefined
}

function readIpv4(text: string): Uint8Array | undefined {
  const parts = text.split('.').map((part) => readDecimal(part, 255))
  if (parts.length !== 4 || parts.includes(undefined)) return undefined
  return Uint8Array.from(parts, (part) => part ?? 0)
}

/** Groups of hexadecimal digits with at most one `::`; section 2.1 knows no dotted tail and no zone. */
function readIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::').map((half) => (half === '' ? [] : half.split(':')))
  const [head = [], tail] = halves
  const given = head.length + (tail?.length ?? 0)
  const complete = tail === undefined ? given === 8 : given < 8
  if (halves.length > 2 || !complete) return undefined
  const groups = [...head, ...new Array<string>(8 - given).fill('0'), ...(tail ?? [])]
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined
  const bytes = Buffer.from(groups.map((group) => group.padStart(4, '0')).join(''), 'hex')
  return new Uint8Array(bytes)
}

/** `buffer` holds at least the 16 bytes that every v2 header has. */
function readV2(buffer: Buffer): ReadProxy {
  const length = 16 + buffer.readUInt16BE(14)
  const command = buffer.readUInt8(12)
  const family = buffer.readUInt8(13)
  if (command >> 4 !== 2) return invalid(`version ${command >> 4}`)
  if (command !== 0x20 && command !== 0x21) return invalid(`command ${command & 15}`)
  if (family !== 0x00 && family !== 0x11 && family !== 0x21) return invalid(`family ${family.toString(16)}`)
  if (command === 0x20 && family !== 0x00) return invalid('LOCAL with an address family')
  const ipSize = family === 0x11 ? 4 : 16
  const addressesEnd = family === 0x00 ? 16 : 16 + 2 * ipSize + 4
  if (length < addressesEnd) return invalid(`${length} bytes are too few for the addresses`)
  if (buffer.length < length) return incomplete
  const uniqueId = readTlvs(buffer.subarray(addressesEnd, length))
  if (uniqueId.kind === 'invalid') return uniqueId
  const found = { kind: 'found', version: 2, uniqueId: uniqueId.text, length } as const
  if (family === 0x00) return { ...found, source: null, destination: null }
  const end = (ipAt: number, portAt: number): SocketAddress => ({
    family: family === 0x11 ? 4 : 6,
    bytes: new Uint8Array(buffer.subarray(ipAt, ipAt + ipSize)),
    port: buffer.readUInt16BE(portAt),
  })
  return {
    ...found,
    source: end(16, addressesEnd - 4),
    destination: end(16 + ipSize, addressesEnd - 2),
  }
}

/** They must fill their space exactly; types other than the unique id are skipped. */
function readTlvs(
  space: Buffer,
): { readonly kind: 'unique-id'; readonly text: string | null } | (ReadProxy & { readonly kind: 'invalid' }) {
  const wrong = (reason: string) => ({ kind: 'invalid', reason }) as const
  let text: string | null = null
  for (let at = 0; at < space.length; ) {
    if (at + 3 > space.length) return wrong('a TLV without its length')
    const end = at + 3 + space.readUInt16BE(at + 1)
    if (end > space.length) return wrong('a TLV that exceeds the header')
    if (space.readUInt8(at) === 0x05) {
      if (text !== null) return wrong('two unique ids')
      if (end - at - 3 > 128) return wrong('a unique id of more than 128 bytes')
      text = space.toString('utf8', at + 3, end)
    }
    at = end
  }
  return { kind: 'unique-id', text }
}
