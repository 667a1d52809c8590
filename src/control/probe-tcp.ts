import type { Socket } from 'node:net'
import type { Verdict } from '../core/health.ts'
import { oneVerdict, type ProbeLimits } from './one-verdict.ts'
import { openSocket, type ProbeAddress } from './probe-socket.ts'

/** Passes when the endpoint accepts a connection. Sends nothing but the header, then FIN. Never rejects. */
export function probeTcp(target: ProbeAddress, limits: ProbeLimits): Promise<Verdict> {
  return oneVerdict('tcp', limits, (probe) => {
    const passed = () => probe.passed('connected', false)
    let failed = (error: Error) => probe.failed(error)
    // Waits until the header and FIN are with the kernel: closing earlier could drop them, and an endpoint that expects
    // a PROXY header logs a connection without one as an error.
    const connected = (socket: Socket) => {
      failed = passed // It did accept; that it resets a connection without a request is its business.
      socket.end(passed)
    }
    const socket = openSocket(target, connected, (error) => failed(error))
    return () => socket.destroy()
  })
}
