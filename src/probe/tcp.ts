import { BoundSocket, connect, type Socket } from 'node:net'
import { formatIp, type SocketAddress } from '../core/address.ts'
import type { Verdict } from '../core/health.ts'
import { openSocket, type ProbeAddress } from './socket.ts'
import { oneVerdict, type ProbeLimits } from './verdict.ts'

/** Makes the kernel keep back the ACK that ends the handshake of a socket, which is not connected yet. */
export type HoldAck = (descriptor: number) => void

/** Passes when the endpoint accepts a connection. Sends nothing but the header, then FIN. Never rejects. */
export function probeTcp(target: ProbeAddress, limits: ProbeLimits): Promise<Verdict> {
  return oneVerdict('tcp', limits, (probe) => {
    const passed = () => probe.passed('connected', false)
    let failed = (error: Error) => probe.failed(error)
    // Waits until the header and FIN are with the kernel: closing earlier could drop them, and an endpoint
    // that expects a PROXY header logs a connection without one as an error.
    const connected = (socket: Socket) => {
      failed = passed // It did accept; that it resets a connection without a request is its business.
      socket.end(passed)
    }
    const socket = openSocket(target, connected, (error) => failed(error))
    return () => socket.destroy()
  })
}

/**
 * Passes when the endpoint's kernel answers the SYN, and resets instead of completing the handshake, as
 * HAProxy's check does: accept(2) never tells the endpoint of it. Hence no header. Where `holdAck` is null,
 * or the reset comes more than 200 ms late (TCP_DELACK_MAX), the handshake is over first and the endpoint
 * sees a connection that is reset: MariaDB 10.11 counted 9 of 20 such ones as errors, and none of the others.
 * Never rejects.
 */
export function probeTcpUnseen(
  address: SocketAddress,
  holdAck: HoldAck | null,
  limits: ProbeLimits,
): Promise<Verdict> {
  return oneVerdict('tcp', limits, (probe) => {
    const socket = dial(address, holdAck)
    if (socket instanceof Error) {
      probe.failed(socket)
      return () => {}
    }
    socket.on('error', (error) => probe.failed(error))
    socket.once('connect', () => {
      socket.resetAndDestroy()
      probe.passed('connected', false)
    })
    return () => socket.destroy()
  })
}

/** Begins to connect. An error is that of bind(2): no descriptor or no port is left. */
function dial(address: SocketAddress, holdAck: HoldAck | null): Socket | Error {
  const to = { host: formatIp(address), port: address.port }
  if (holdAck === null) return connect(to)
  try {
    // Only a bound socket has a descriptor before it connects.
    const handle = new BoundSocket({ host: address.family === 6 ? '::' : '0.0.0.0', port: 0 })
    holdAck(handle.fd())
    return connect({ ...to, handle })
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}
