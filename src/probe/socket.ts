import { connect, isIP, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import { type EndpointAddress, formatIp } from '../core/address.ts'
import { errorCode, isLocal, unixErrorText } from '../core/wording.ts'

/** Where a probe goes. */
export interface ProbeAddress {
  /** With the probe's port, which need not be the endpoint's. */
  readonly address: EndpointAddress
  /** A PROXY header that has to come before anything else; null: none. */
  readonly header: Uint8Array | null
}

/** How soon a UNIX socket whose backlog is full is asked again, until the probe's time is over. */
const busyMs = 20

/**
 * Connects and writes the header; `connected` is called once that is done. `failed` hears of every error of
 * the socket, later ones included. The caller destroys what is returned.
 */
export function openSocket(
  target: ProbeAddress,
  connected: (socket: Socket) => void,
  failed: (error: Error) => void,
): { destroy(): void } {
  const { address, header } = target
  const isUnix = address.family === 'unix'
  const socket = isUnix
    ? connect({ path: address.path.replace(/^@/, '\0') })
    : connect({ host: formatIp(address), port: address.port })
  let timer: NodeJS.Timeout | undefined
  let again: { destroy(): void } | undefined
  socket.on('error', (error) => {
    if (isUnix && errorCode(error) === 'EAGAIN') {
      timer = setTimeout(() => {
        again = openSocket(target, connected, failed)
      }, busyMs)
      return
    }
    failed(isUnix && !isLocal(error) ? new Error(unixErrorText(error), { cause: error }) : error)
  })
  socket.once('connect', () => {
    if (header !== null) socket.write(header)
    connected(socket)
  })
  return {
    destroy() {
      clearTimeout(timer)
      again?.destroy()
      socket.destroy()
    },
  }
}

/**
 * Speaks TLS on a connected socket; `secured` is called after the handshake. The certificate is not verified:
 * a probe asks whether the endpoint answers; trusting it is up to the client. Destroying `socket` ends it.
 */
export function secureSocket(
  socket: Socket,
  options: { readonly serverName: string | null; readonly protocols: readonly string[] },
  secured: (socket: TLSSocket) => void,
  failed: (error: Error) => void,
): void {
  const tls: ConnectionOptions = { socket, rejectUnauthorized: false }
  if (options.protocols.length > 0) tls.ALPNProtocols = [...options.protocols]
  // RFC 6066 section 3: an SNI name is never an address.
  if (options.serverName !== null && isIP(options.serverName) === 0) tls.servername = options.serverName
  let shaking = true
  const secure = connectTls(tls, () => {
    shaking = false
    secured(secure)
  })
  secure.on('error', (error) => failed(shaking ? handshakeError(error) : error))
  socket.once('close', () => secure.destroy())
}

const handshakeTexts: Readonly<Record<string, string>> = {
  ERR_SSL_WRONG_VERSION_NUMBER: 'the answer is not TLS',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'the answer is not TLS',
  ECONNRESET: 'connection closed in the handshake',
}

/**
 * OpenSSL's messages carry a source line and a thread number; what a reader needs is the alert or the reason.
 */
function handshakeError(error: Error & { code?: string; reason?: string }): Error {
  const text = handshakeTexts[error.code ?? ''] ?? error.reason
  return text === undefined ? error : new Error(text, { cause: error })
}
