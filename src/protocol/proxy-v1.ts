import { formatIp, type SocketAddress } from '../core/address.ts'
import { addressPair } from './address-pair.ts'

/**
 * The human-readable PROXY header (PROXY protocol, section 2.1): one line of at most 104 bytes with its CRLF.
 * `client` is who connected, `local` the address it connected to.
 */
export function proxyV1(client: SocketAddress, local: SocketAddress): Uint8Array {
  const { family, source, destination } = addressPair(client, local)
  // v4-mapped addresses come out in hexadecimal (`::ffff:c000:201`), the only notation that section 2.1
  // allows.
  const addresses = `${formatIp(source)} ${formatIp(destination)} ${source.port} ${destination.port}`
  return ascii(`PROXY TCP${family} ${addresses}\r\n`)
}

/** The header of a connection of our own. Some receivers refuse it; proxyV1() of our own socket is safer. */
export function proxyV1Unknown(): Uint8Array {
  return ascii('PROXY UNKNOWN\r\n')
}

/** Not a TextEncoder: that takes 600 ns for such a line, this 60. */
function ascii(line: string): Uint8Array {
  return Buffer.from(line, 'latin1')
}
