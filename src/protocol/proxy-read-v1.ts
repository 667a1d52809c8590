import { parseIp, type SocketAddress } from '../core/address.ts'
import { malformed, needs, noTlvs, type ProxyRead } from './proxy-found.ts'
import { latin1 } from './server-name.ts'

export const v1Signature = Buffer.from('PROXY ', 'latin1')
/** Section 2.1, its CRLF included. */
const maxLineBytes = 107
const carriageReturn = 0x0d
const lineFeed = 0x0a
const space = 0x20

/** `shortest`: the least a line of that protocol can have. */
const protocols = [
  { word: Buffer.from('TCP4', 'latin1'), shortest: 'PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n'.length },
  { word: Buffer.from('TCP6', 'latin1'), shortest: 'PROXY TCP6 :: :: 0 0\r\n'.length },
  { word: Buffer.from('UNKNOWN', 'latin1'), shortest: 'PROXY UNKNOWN\r\n'.length },
] as const
export const shortestV1 = Math.min(...protocols.map(({ shortest }) => shortest))

/**
 * Reads a line that begins with v1Signature. By the letter of section 2.1, with one exception that HAProxy's
 * own lines need: an IPv6 address may end in an IPv4 one (`::ffff:192.0.2.1`).
 */
export function readProxyV1(bytes: Uint8Array): ProxyRead {
  const candidates = protocols.filter(({ word }) => mayBe(bytes, word))
  const [candidate] = candidates
  if (candidate === undefined) return malformed('protocol')
  const end = lineEnd(bytes)
  if (end === 'no CRLF') return malformed('line-end')
  if (end === 'too long') return malformed('line-too-long')
  if (end === 'later') {
    const shortest = Math.min(...candidates.map((one) => one.shortest))
    return needs(Math.max(shortest, bytes.length + (bytes.at(-1) === carriageReturn ? 1 : 2)))
  }
  const fields = latin1(bytes.subarray(v1Signature.length, end)).split(' ')
  const length = end + 2
  if (fields[0] === 'UNKNOWN') {
    return { kind: 'found', version: 1, length, command: 'local', ends: null, tlvs: noTlvs }
  }
  return readTcp(fields, length)
}

/** Whether the line's protocol is `word`, as far as it is there. */
function mayBe(bytes: Uint8Array, word: Uint8Array): boolean {
  const from = v1Signature.length
  const given = Math.min(bytes.length - from, word.length)
  for (let i = 0; i < given; i++) if (bytes[from + i] !== word[i]) return false
  const next = bytes[from + word.length]
  // Only UNKNOWN may be all there is.
  return next === undefined || next === space || (next === carriageReturn && word.length > 4)
}

/** Where the CRLF stands. What else is a CR or an LF ends no line, and is none of its bytes. */
function lineEnd(bytes: Uint8Array): number | 'later' | 'no CRLF' | 'too long' {
  const most = Math.min(bytes.length, maxLineBytes)
  let at = v1Signature.length
  while (at < most && bytes[at] !== carriageReturn && bytes[at] !== lineFeed) at++
  if (bytes[at] === lineFeed && at < most) return 'no CRLF'
  if (at + 1 >= most) return bytes.length < maxLineBytes ? 'later' : 'too long'
  return bytes[at + 1] === lineFeed ? at : 'no CRLF'
}

function readTcp(fields: readonly string[], length: number): ProxyRead {
  const [protocol = '', sourceIp = '', destinationIp = '', sourcePort = '', destinationPort = ''] = fields
  if (fields.length !== 5) return malformed('fields')
  const source = readIp(protocol, sourceIp)
  const destination = readIp(protocol, destinationIp)
  if (source === undefined || destination === undefined) return malformed('address')
  const ports = [readPort(sourcePort), readPort(destinationPort)] as const
  if (ports[0] === undefined || ports[1] === undefined) return malformed('port')
  const ends = { source: { ...source, port: ports[0] }, destination: { ...destination, port: ports[1] } }
  return { kind: 'found', version: 1, length, command: 'proxy', ends, tlvs: noTlvs }
}

/**
 * Of the line's protocol: an IPv4 address in a TCP6 line is none, though nginx writes that. Zones have no
 * place here.
 */
function readIp(protocol: string, text: string): Omit<SocketAddress, 'port'> | undefined {
  const isIpv6 = text.includes(':')
  return isIpv6 === (protocol === 'TCP6') && !text.includes('%') ? parseIp(text) : undefined
}

/** Digits without a leading zero, 0 to 65535. */
function readPort(text: string): number | undefined {
  const port = /^(0|[1-9]\d{0,4})$/.test(text) ? Number(text) : Number.NaN
  return port <= 65_535 ? port : undefined
}
