import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Verdict } from '../core/health.ts'
import { openSocket, type ProbeAddress, secureSocket } from './socket.ts'
import { oneVerdict, type ProbeLimits } from './verdict.ts'

/** Passes when the endpoint completes a TLS handshake for `serverName` (null: without SNI). Never rejects. */
export function probeTls(
  target: ProbeAddress,
  serverName: string | null,
  limits: ProbeLimits,
): Promise<Verdict> {
  return oneVerdict('tls', limits, (probe) => {
    let failed = (error: Error) => probe.failed(error)
    const secured = (secure: TLSSocket) => {
      const what = answer(secure)
      // It did answer; that it resets a connection without a request is its business.
      failed = () => probe.passed(what, true)
      secure.end(() => probe.passed(what, true))
    }
    const connected = (socket: Socket) => {
      probe.now('in the handshake')
      secureSocket(socket, { serverName, protocols: [] }, secured, (error) => failed(error))
    }
    probe.now('while connecting')
    const socket = openSocket(target, connected, (error) => failed(error))
    return () => socket.destroy()
  })
}

/**
 * `TLSv1.3, certificate for gateway.example`: with a wrong SNI name most gateways answer with a default
 * certificate.
 */
function answer(secure: TLSSocket): string {
  const { subject, subjectaltname } = secure.getPeerCertificate()
  const name = subject?.CN ?? subjectaltname ?? 'no name'
  return `${secure.getProtocol() ?? 'TLS'} handshake (certificate for ${name})`
}
