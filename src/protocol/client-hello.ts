import { type NotTls, readHandshake } from './handshake.ts'
import { protocolNames } from './proxy-tlv.ts'
import { serverName } from './server-name.ts'

export type ClientHello =
  /**
   * `serverName`: null when it names no host; with an encrypted hello the outer name. `alpn`: in the client's
   * order, one character for each byte; empty when it offers none.
   */
  | { readonly kind: 'found'; readonly serverName: string | null; readonly alpn: readonly string[] }
  /** `needs`: bytes from the beginning of the connection without which the next look is in vain. */
  | { readonly kind: 'incomplete'; readonly needs: number }
  /**
   * Not TLS at all, or no hello that a server could take: another reader may see other names in it than we.
   */
  | { readonly kind: 'notTls'; readonly why: NotTls }

const serverNameExtension = 0
const alpnExtension = 16
const hostName = 0
const randomBytes = 32
const maxSessionIdBytes = 32

const malformed: ClientHello = { kind: 'notTls', why: 'malformed' }

/**
 * What a client asks for, read from its first bytes and left in them. Consumes nothing, keeps no reference to
 * `bytes`, never throws, and judges neither versions nor ciphers: that is the server's part. Decides at the
 * first byte that decides: more bytes never change an answer other than `incomplete`.
 */
export function readClientHello(bytes: Uint8Array): ClientHello {
  const handshake = readHandshake(bytes)
  return handshake.kind === 'whole' ? readBody(handshake.body) : handshake
}

/** RFC 8446 section 4.1.2. Every list must fill its place exactly. */
function readBody(body: Uint8Array): ClientHello {
  if (body[0] !== 3) return malformed
  const sessionAt = 2 + randomBytes
  const ciphersAt = sessionAt + 1 + uint8(body, sessionAt)
  const ciphers = uint16(body, ciphersAt)
  const compressionAt = ciphersAt + 2 + ciphers
  const extensionsAt = compressionAt + 1 + uint8(body, compressionAt)
  if (uint8(body, sessionAt) > maxSessionIdBytes || ciphers < 2 || ciphers % 2 !== 0) return malformed
  if (uint8(body, compressionAt) === 0 || extensionsAt > body.length) return malformed
  // Before TLS 1.2 there may be none.
  if (extensionsAt === body.length) return { kind: 'found', serverName: null, alpn: [] }
  if (extensionsAt + 2 + uint16(body, extensionsAt) !== body.length) return malformed
  return readExtensions(body.subarray(extensionsAt + 2))
}

/**
 * No type may come twice (section 4.2); for the two that matter here, who reads the other one routes
 * elsewhere.
 */
function readExtensions(extensions: Uint8Array): ClientHello {
  let name: string | null | undefined
  let alpn: readonly string[] | undefined
  for (let at = 0; at < extensions.length; ) {
    const end = at + 4 + uint16(extensions, at + 2)
    if (at + 4 > extensions.length || end > extensions.length) return malformed
    const data = extensions.subarray(at + 4, end)
    switch (uint16(extensions, at)) {
      case serverNameExtension: {
        const named = readName(data)
        if (named === 'malformed' || name !== undefined) return malformed
        name = named.name
        break
      }
      case alpnExtension: {
        const names = data.length - 2 === uint16(data, 0) ? protocolNames(data.subarray(2)) : null
        if (names === null || alpn !== undefined) return malformed
        alpn = names
        break
      }
    }
    at = end
  }
  return { kind: 'found', serverName: name ?? null, alpn: alpn ?? [] }
}

/**
 * ServerNameList of RFC 6066 section 3, which has one host name and nothing else: no other type was ever
 * defined, and of two names the server might take the other. Nothing where a name should be is no name.
 */
function readName(data: Uint8Array): { readonly name: string | null } | 'malformed' {
  if (data.length === 0) return { name: null }
  if (data.length - 2 !== uint16(data, 0)) return 'malformed'
  if (data.length === 2) return { name: null }
  if (data[2] !== hostName || data.length < 5 || data.length - 5 !== uint16(data, 3)) return 'malformed'
  return { name: serverName(data.subarray(5)) }
}

/** 0 behind the end; whoever asks checks where that is. */
function uint8(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0
}

function uint16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
}
