import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { formatIp, type SocketAddress } from '../../core/address.ts'
import type { ProxyProtocol } from '../../core/policy.ts'
import { type ProxyVersion, probeHeader } from '../../protocol/proxy-header.ts'

/** How a gateway answers, with and without a PROXY header that names no client. */
export interface Speech {
  /** As spliceway would speak to it. */
  readonly asConfigured: Reply
  /** The other way round: with v2 where none is configured, without where one is. null: not tried. */
  readonly otherwise: Reply | null
}

export type Reply =
  /** `dateMs`: of its Date header; null: none. */
  | { readonly kind: 'http'; readonly status: number; readonly dateMs: number | null }
  | { readonly kind: 'tls' }
  | { readonly kind: 'speaks-first' }
  /** Bytes that are neither. */
  | { readonly kind: 'other' }
  /** It ended the connection without a word. */
  | { readonly kind: 'closed' }
  | { readonly kind: 'silence' }

const patienceMs = 2_000

/** Never rejects. */
export async function speechOf(
  address: SocketAddress,
  configured: ProxyProtocol | null,
  speaksFirst: boolean,
): Promise<Speech> {
  if (speaksFirst) return { asConfigured: { kind: 'speaks-first' }, otherwise: null }
  const asConfigured = await replyOf(address, versionOf(configured))
  if (configured === null || isAnswer(asConfigured)) return { asConfigured, otherwise: null }
  return { asConfigured, otherwise: await replyOf(address, configured === 'off' ? 'v2' : null) }
}

/**
 * Whether somebody who speaks its language would be served. A server that does not understand HTTP at all
 * says 400.
 */
export function isAnswer(reply: Reply): boolean {
  return (
    reply.kind === 'tls' || reply.kind === 'speaks-first' || (reply.kind === 'http' && reply.status !== 400)
  )
}

function versionOf(proxy: ProxyProtocol | null): ProxyVersion | null {
  return proxy === null || proxy === 'off' ? null : proxy
}

/** HTTP first; TLS when that is not understood. */
async function replyOf(address: SocketAddress, version: ProxyVersion | null): Promise<Reply> {
  const reply = await askHttp(address, version)
  if (reply.kind === 'silence' || isAnswer(reply)) return reply
  return (await askTls(address, version)) ? { kind: 'tls' } : reply
}

function open(address: SocketAddress, version: ProxyVersion | null): Socket {
  const socket = connect({ host: formatIp(address), port: address.port })
  if (version !== null) socket.write(probeHeader(version))
  return socket
}

function askHttp(address: SocketAddress, version: ProxyVersion | null): Promise<Reply> {
  return new Promise((resolve) => {
    const socket = open(address, version)
    let head = ''
    const settle = (): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(read(head))
    }
    const timer = setTimeout(() => {
      clearTimeout(timer)
      socket.destroy()
      resolve(head === '' ? { kind: 'silence' } : read(head))
    }, patienceMs)
    socket.on('data', (bytes: Buffer) => {
      head += bytes.toString('latin1')
      // The head of a reply, or more than any has.
      if (head.includes('\r\n\r\n') || head.length > 16_384) settle()
    })
    socket.once('end', settle)
    socket.on('error', settle)
    const host = address.family === 6 ? `[${formatIp(address)}]` : formatIp(address)
    socket.write(
      `GET / HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: spliceway-doctor\r\nConnection: close\r\n\r\n`,
    )
  })
}

function read(head: string): Reply {
  if (head === '') return { kind: 'closed' }
  const [, status] = /^HTTP\/1\.[01] (\d{3})/.exec(head) ?? []
  if (status === undefined) return { kind: 'other' }
  const date = Date.parse(/^date:\s*(.+)$/im.exec(head)?.[1] ?? '')
  return { kind: 'http', status: Number(status), dateMs: Number.isNaN(date) ? null : date }
}

/** Whether a handshake succeeds. The certificate is not looked at: it is the client who has to trust it. */
function askTls(address: SocketAddress, version: ProxyVersion | null): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = open(address, version)
    const settle = (secured: boolean): void => {
      clearTimeout(timer)
      secure.destroy()
      socket.destroy()
      resolve(secured)
    }
    const timer = setTimeout(() => settle(false), patienceMs)
    const secure = connectTls({ socket, rejectUnauthorized: false }, () => settle(true))
    secure.on('error', () => settle(false))
    secure.once('close', () => settle(false))
    socket.on('error', () => settle(false))
    socket.once('close', () => settle(false))
  })
}
