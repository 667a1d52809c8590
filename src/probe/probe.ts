import type { HealthConfig } from '../config/config.ts'
import type { EndpointAddress } from '../core/address.ts'
import type { Verdict } from '../core/health.ts'
import type { ProxyProtocol } from '../core/policy.ts'
import type { EndpointId } from '../core/snapshot.ts'
import type { ResolvedPool } from '../discovery/resolved-pool.ts'
import { probeHeader } from '../protocol/proxy-header.ts'
import { probeHttp } from './http.ts'
import type { ProbeAddress } from './socket.ts'
import { type HoldAck, probeTcp, probeTcpUnseen } from './tcp.ts'
import { probeTls } from './tls.ts'

/** An endpoint to be probed, and how. */
export interface ProbeTarget {
  readonly pool: string
  readonly endpoint: EndpointId
  readonly address: EndpointAddress
  readonly health: HealthConfig
  readonly proxyProtocol: ProxyProtocol
}

/** One target for each endpoint whose pool probes at all. */
export function probeTargets(pools: readonly ResolvedPool[]): readonly ProbeTarget[] {
  return pools
    .filter(({ config }) => config.health.probe.kind !== 'off')
    .flatMap(({ config, endpoints }) =>
      endpoints.map(({ id, address }) => ({
        pool: config.name,
        endpoint: id,
        address,
        health: config.health,
        proxyProtocol: config.sendProxyProtocol,
      })),
    )
}

/** Probes `target` once, as its configuration says. Never rejects. `holdAck`: null where there is none. */
export function probe(
  target: ProbeTarget,
  signal: AbortSignal,
  holdAck: HoldAck | null = null,
): Promise<Verdict> {
  const { probe: how, timeoutMs } = target.health
  const limits = { timeoutMs, signal }
  switch (how.kind) {
    case 'off':
      return Promise.resolve({ ok: false, reason: 'probing is off', fault: 'local' })
    case 'tcp': {
      const to = probeAddress(target, how.port)
      // A UNIX socket has no handshake to end early: whoever connects is accepted.
      return how.close === 'fin' || to.address.family === 'unix'
        ? probeTcp(to, limits)
        : probeTcpUnseen(to.address, holdAck, limits)
    }
    case 'http':
      return probeHttp(probeAddress(target, how.port), how, limits)
    case 'tls':
      return probeTls(probeAddress(target, how.port), how.serverName, limits)
  }
}

/** A PROXY header goes to the endpoint's own port only: a separate health port does not expect one. */
function probeAddress(target: ProbeTarget, port: number | null): ProbeAddress {
  const { address: own, proxyProtocol } = target
  const address = own.family === 'unix' ? own : { ...own, port: port ?? own.port }
  const isOwn = own.family === 'unix' || port === null || port === own.port
  return { address, header: isOwn && proxyProtocol !== 'off' ? probeHeader(proxyProtocol) : null }
}
