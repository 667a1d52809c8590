/**
 * The most that a client may send before it is known where it goes, records included. A hello with two
 * post-quantum key shares has 2 to 3 KiB; Envoy has the same limit.
 */
export const maxHelloBytes = 16 * 1024

/** Why bytes are no ClientHello; stable words. `too-long`: they may be one, of more than maxHelloBytes. */
export const notTlsReasons = ['not-handshake', 'version', 'not-hello', 'malformed', 'too-long'] as const
export type NotTls = (typeof notTlsReasons)[number]

export type Handshake =
  /** What the message says, without its type and length. A view of `bytes` where it came in one record. */
  | { readonly kind: 'whole'; readonly body: Uint8Array }
  /** `needs`: bytes from the beginning of the connection without which the next look is in vain. */
  | { readonly kind: 'incomplete'; readonly needs: number }
  | { readonly kind: 'notTls'; readonly why: NotTls }

/** RFC 8446 section 5.1. */
const recordHeadBytes = 5
const handshakeRecord = 22
const maxRecordBytes = 2 ** 14
/** Section 4. */
const messageHeadBytes = 4
const clientHello = 1
/** Version, random, and three lists of the least length. */
export const leastBodyBytes = 2 + 32 + 1 + 4 + 2

/** How far the records have been walked. */
interface Walk {
  /** Where the next record begins. */
  at: number
  /** Bytes of the message in the records before it. */
  collected: number
  /** Type and length of the message as far as they were seen, big endian; `headCount` bytes of them. */
  head: number
  headCount: number
}

/**
 * The first handshake message of a TLS connection, when that is a ClientHello, put together from as many
 * records as it takes. Decides at the first byte that decides: more bytes never change an answer other than
 * `incomplete`. Never throws.
 */
export function readHandshake(bytes: Uint8Array): Handshake {
  const walk: Walk = { at: 0, collected: 0, head: 0, headCount: 0 }
  for (;;) {
    const { at, collected } = walk
    const type = bytes[at]
    const major = bytes[at + 1]
    // Another record in the middle of a message is as wrong as another one ahead of it.
    if (type !== undefined && type !== handshakeRecord)
      return notTls(at === 0 ? 'not-handshake' : 'malformed')
    // 3 in every version since SSL 3.0, whatever the minor number says.
    if (major !== undefined && major !== 3) return notTls('version')
    if (bytes.length < at + recordHeadBytes) return incomplete(leastEnd(walk, at + recordHeadBytes, 0))
    const length = ((bytes[at + 3] ?? 0) << 8) | (bytes[at + 4] ?? 0)
    if (length === 0 || length > maxRecordBytes) return notTls('malformed')
    const from = at + recordHeadBytes
    seeHead(walk, bytes, from, Math.min(from + length, bytes.length))
    const fault = headFault(walk)
    if (fault !== null) return notTls(fault)
    const end = leastEnd(walk, from, length)
    if (end > maxHelloBytes) return notTls('too-long')
    if (bytes.length < end) {
      if (bytes.length < from + length) return incomplete(end)
    } else if (walk.headCount === messageHeadBytes && collected + length >= messageBytes(walk)) {
      return { kind: 'whole', body: bodyOf(bytes, from, walk) }
    }
    walk.at = from + length
    walk.collected += length
  }
}

/** Reads what is there of type and length; a record may hold a single byte of them. */
function seeHead(walk: Walk, bytes: Uint8Array, from: number, to: number): void {
  for (let at = from + walk.headCount - walk.collected; at < to && walk.headCount < messageHeadBytes; at++) {
    walk.head = walk.head * 256 + (bytes[at] ?? 0)
    walk.headCount++
  }
}

function headFault({ head, headCount }: Walk): NotTls | null {
  if (headCount === 0) return null
  if (Math.floor(head / 256 ** (headCount - 1)) !== clientHello) return 'not-hello'
  if (headCount < messageHeadBytes) return null
  return head % 2 ** 24 < leastBodyBytes ? 'malformed' : null
}

/** Of the message, its head included; the least that it can be as long as that was not seen. */
function messageBytes({ head, headCount }: Walk): number {
  return messageHeadBytes + (headCount === messageHeadBytes ? head % 2 ** 24 : leastBodyBytes)
}

/**
 * Where the message ends at the earliest, when the record whose content begins at `from` has `length` bytes
 * of it.
 */
function leastEnd(walk: Walk, from: number, length: number): number {
  const missing = messageBytes(walk) - walk.collected
  if (length === 0 || missing <= length) return from + missing
  return from + length + recordHeadBytes + (missing - length)
}

/** `from`: where the content of the record begins that ends it. */
function bodyOf(bytes: Uint8Array, from: number, walk: Walk): Uint8Array {
  const total = messageBytes(walk)
  if (walk.collected === 0) return bytes.subarray(from + messageHeadBytes, from + total)
  const message = new Uint8Array(total)
  let filled = 0
  for (let at = 0; filled < total; ) {
    const length = ((bytes[at + 3] ?? 0) << 8) | (bytes[at + 4] ?? 0)
    const content = at + recordHeadBytes
    const taken = Math.min(length, total - filled)
    message.set(bytes.subarray(content, content + taken), filled)
    filled += taken
    at = content + length
  }
  return message.subarray(messageHeadBytes)
}

function notTls(why: NotTls): Handshake {
  return { kind: 'notTls', why }
}

function incomplete(end: number): Handshake {
  return end > maxHelloBytes ? notTls('too-long') : { kind: 'incomplete', needs: end }
}
