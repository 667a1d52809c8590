import { parseIp } from '../core/address.ts'
import { type HostPort, parseListen, parsePort } from './host-port.ts'
import { type Accepted, accept, type Refusal, refuse } from './refusal.ts'

export interface ForwardKey extends HostPort {
  /** Of the listener and the pool. */
  readonly name: string
}

/** Reads the left side of a forward: a port, for all addresses (IPv4 too), or `ADDRESS:PORT`. */
export function parseForwardKey(text: string): Accepted<ForwardKey> | Refusal {
  if (/^\d+$/.test(text)) {
    const port = parsePort(text, 0)
    return port.kind === 'refused'
      ? port
      : accept({ host: '::', port: port.value, name: `port-${port.value}` })
  }
  const address = parseListen(text)
  if (address.kind === 'refused')
    return refuse(address.message, 'write a port, 127.0.0.1:PORT or "[::1]:PORT"')
  return accept({ ...address.value, name: nameOf(address.value) })
}

/**
 * `port-80`, with an address `port-80-127.0.0.1` or `port-80-0-0-0-0-0-0-0-1`: unique and valid, as `::1` is
 * not.
 */
function nameOf({ host, port }: HostPort): string {
  const ip = parseIp(host)
  if (ip === undefined || host === '::') return `port-${port}`
  if (ip.family === 4) return `port-${port}-${host}`
  const words = Array.from({ length: 8 }, (_, i) =>
    (((ip.bytes[2 * i] ?? 0) << 8) | (ip.bytes[2 * i + 1] ?? 0)).toString(16),
  )
  return `port-${port}-${words.join('-')}`
}
