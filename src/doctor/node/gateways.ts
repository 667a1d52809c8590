import { connect } from 'node:net'
import { formatAddress, formatIp, type SocketAddress } from '../../core/address.ts'
import type { ProxyProtocol } from '../../core/policy.ts'
import { probeHeader } from '../../protocol/proxy-header.ts'
import { type Speech, speechOf } from './speech.ts'

/** An endpoint of a pool as it was found. */
export interface Gateway {
  readonly pool: string
  readonly address: SocketAddress
  readonly host: string
  readonly port: number
  readonly sendProxyProtocol: ProxyProtocol | null
  readonly warm: boolean
  readonly answer: Answer
  /** null: nobody asked (`--probe`), or it does not listen. */
  readonly speech: Speech | null
}

export type Answer =
  | { readonly kind: 'refused' }
  /** `code`: ETIMEDOUT when nothing came back at all, ENETUNREACH, EHOSTUNREACH, EADDRNOTAVAIL, ... */
  | { readonly kind: 'failed'; readonly code: string }
  /** What it did while nobody spoke to it. */
  | { readonly kind: 'connected'; readonly first: 'silence' | 'bytes' | 'end' | 'reset' }

export type GatewayAsked = Pick<Gateway, 'pool' | 'address' | 'sendProxyProtocol' | 'warm'>

/** A lost SYN is sent again after a second; a gateway that needs longer than that has lost two. */
const connectMs = 1_500
/** A server that speaks first does so at once. */
const listenMs = 300
const atOnce = 16

/** Connects to each, and with `probe` speaks to those that listen. Never rejects. */
export async function askGateways(
  asked: readonly GatewayAsked[],
  probe: boolean,
): Promise<readonly Gateway[]> {
  const found = new Map<GatewayAsked, Gateway>()
  const queue = [...asked]
  const lane = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const { address, sendProxyProtocol } = next
      const answer = await listen(address, sendProxyProtocol)
      const speaks = probe && answer.kind === 'connected'
      const speech = speaks ? await speechOf(address, sendProxyProtocol, answer.first === 'bytes') : null
      found.set(next, { ...next, host: formatIp(address), port: address.port, answer, speech })
    }
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
  return asked.flatMap((each) => found.get(each) ?? [])
}

/**
 * A gateway that expects a PROXY header logs a connection without one as an error, so it gets one that names
 * nobody.
 */
function listen(address: SocketAddress, proxy: ProxyProtocol | null): Promise<Answer> {
  return new Promise((resolve) => {
    const socket = connect({ host: formatIp(address), port: address.port })
    let connected = false
    const settle = (answer: Answer): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(answer)
    }
    // What has come meanwhile is heard first: this process may have been kept waiting itself.
    const after = (ms: number, answer: Answer) => setTimeout(() => setImmediate(() => settle(answer)), ms)
    let timer = after(connectMs, { kind: 'failed', code: 'ETIMEDOUT' })
    socket.once('connect', () => {
      connected = true
      clearTimeout(timer)
      timer = after(listenMs, { kind: 'connected', first: 'silence' })
      if (proxy !== null && proxy !== 'off') socket.write(probeHeader(proxy))
    })
    socket.once('data', (bytes: Buffer) => {
      // An error page or a TLS alert is the answer to a header that was not understood; speech.ts asks about
      // that.
      const complaint = bytes[0] === 0x15 || bytes.toString('latin1', 0, 5) === 'HTTP/'
      settle({ kind: 'connected', first: complaint ? 'silence' : 'bytes' })
    })
    socket.once('end', () => settle({ kind: 'connected', first: 'end' }))
    socket.on('error', ({ code = 'unknown' }: NodeJS.ErrnoException) => {
      if (connected) settle({ kind: 'connected', first: 'reset' })
      else settle(code === 'ECONNREFUSED' ? { kind: 'refused' } : { kind: 'failed', code })
    })
  })
}

export function gatewayText({ address }: Pick<Gateway, 'address'>): string {
  return formatAddress(address)
}
