import { isIP } from 'node:net'

/**
 * A host name from the wire as names are compared: one character for each byte, ASCII in lower case, without
 * the dot at its end. null: it names no host. A literal address is none (RFC 6066 section 3). What is left
 * may still be no possible name; core/route.ts matches nothing to that, and a log shows it.
 */
export function serverName(bytes: Uint8Array): string | null {
  const text = latin1(bytes).replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
  const name = text.endsWith('.') ? text.slice(0, -1) : text
  return name === '' || isIP(name) !== 0 || isBracketed(name) ? null : name
}

/** One character for each byte, so that no byte is lost and each can be shown. */
export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}

/** Some clients send `[::1]` as it stands in the URL. */
function isBracketed(name: string): boolean {
  return name.startsWith('[') && name.endsWith(']')
}
