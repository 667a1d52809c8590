import type { ClientHello } from '../../src/protocol/client-hello.ts'

/** Hellos as they come, put together by hand. */

export function uint8(value: number): Buffer {
  return Buffer.of(value)
}

export function uint16(value: number): Buffer {
  return Buffer.of(value >> 8, value & 0xff)
}

/** Bytes behind a length of one or two bytes. */
export function list8(bytes: Uint8Array): Buffer {
  return Buffer.concat([uint8(bytes.length), bytes])
}
export function list16(bytes: Uint8Array): Buffer {
  return Buffer.concat([uint16(bytes.length), bytes])
}

export function extension(type: number, data: Uint8Array): Buffer {
  return Buffer.concat([uint16(type), list16(data)])
}

/** One name of type host_name. */
export function nameEntry(name: string): Buffer {
  return Buffer.concat([uint8(0), list16(Buffer.from(name, 'latin1'))])
}

export function sni(...names: readonly string[]): Buffer {
  return extension(0, list16(Buffer.concat(names.map(nameEntry))))
}

export function alpn(...names: readonly string[]): Buffer {
  return extension(16, list16(Buffer.concat(names.map((name) => list8(Buffer.from(name, 'latin1'))))))
}

export interface Body {
  readonly version?: number
  readonly sessionId?: Uint8Array
  readonly ciphers?: Uint8Array
  readonly compression?: Uint8Array
  /** null: not even their length. */
  readonly extensions?: readonly Uint8Array[] | null
}

export function body(parts: Body): Buffer {
  const { version = 0x0303, sessionId = Buffer.alloc(32, 7), extensions = [] } = parts
  const { ciphers = Buffer.from('130113021303', 'hex'), compression = Buffer.of(0) } = parts
  const head = [uint16(version), Buffer.alloc(32, 9), list8(sessionId), list16(ciphers), list8(compression)]
  return Buffer.concat(extensions === null ? head : [...head, list16(Buffer.concat(extensions))])
}

/** A handshake message, without a record. */
export function message(content: Uint8Array, type = 1): Buffer {
  return Buffer.concat([
    Buffer.of(type, content.length >> 16, (content.length >> 8) & 0xff, content.length & 0xff),
    content,
  ])
}

export function record(content: Uint8Array, type = 22, version = 0x0301): Buffer {
  return Buffer.concat([uint8(type), uint16(version), list16(content)])
}

/** Records of these sizes, and one with the rest. */
export function records(content: Uint8Array, sizes: readonly number[]): Buffer {
  const parts: Buffer[] = []
  let at = 0
  for (const size of sizes) {
    if (at + size >= content.length) break
    parts.push(record(content.subarray(at, at + size)))
    at += size
  }
  return Buffer.concat([...parts, record(content.subarray(at))])
}

/** A whole hello in one record. */
export function hello(...extensions: readonly Uint8Array[]): Buffer {
  return record(message(body({ extensions })))
}

/** What browsers send without meaning it: RFC 8701. */
export const grease = [extension(0x0a0a, Buffer.alloc(0)), extension(0xfafa, Buffer.of(0))] as const
/** X25519MLKEM768 and X25519: more than a segment holds. */
export const keyShares = extension(
  51,
  list16(
    Buffer.concat([uint16(0x11ec), list16(Buffer.alloc(1216, 1)), uint16(29), list16(Buffer.alloc(32, 2))]),
  ),
)

/** An answer in one line: `shop.example h2,http/1.1`, `no name`, `not TLS: version`. */
export function told(read: ClientHello): string {
  switch (read.kind) {
    case 'found':
      return [read.serverName ?? 'no name', read.alpn.join(',')].join(' ').trim()
    case 'notTls':
      return `not TLS: ${read.why}`
    case 'incomplete':
      return `incomplete ${read.needs}`
  }
}
