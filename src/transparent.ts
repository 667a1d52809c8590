import { networkInterfaces } from 'node:os'
import type { Config } from './config/config.ts'
import { Transparency } from './control/transparency.ts'
import type { SocketAddress } from './core/address.ts'
import type { After } from './core/after.ts'
import type { Log } from './core/log.ts'
import type { Status } from './core/status.ts'
import type { FirstAnswer, HostAddress } from './core/way-back.ts'
import { ConfigError } from './host.ts'
import { firstAnswer, transparentForbidden } from './linux/first-answer.ts'
import type { LoadedLibc } from './linux/load-libc.ts'

/** Within a second: later the kernel sends the SYN again, and whoever is that far away answers that one. */
const answerMs = 1_000

/** Why a pool of this configuration cannot be transparent here; null: none is, or it can. */
export function transparentObstacle(
  { pools }: Pick<Config, 'pools'>,
  loaded: LoadedLibc,
  plane: Status['plane'],
): string | null {
  const pool = pools.find(({ transparent }) => transparent)
  if (pool === undefined) return null
  const begin = `error: pools.${pool.name}.transparent cannot be on here:`
  if (plane.name === 'net')
    return `${begin} bytes move by the net plane, which cannot connect from a client's address (${plane.why})`
  const code = loaded.kind === 'missing' ? loaded.reason : transparentForbidden(loaded.libc)
  if (code === null) return null
  const hint = code === 'EPERM' ? `\n = ${capabilityHint}` : ''
  return `${begin} this process may not connect from a client's address (${code})${hint}`
}

const capabilityHint =
  'it needs CAP_NET_RAW. systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE CAP_NET_RAW and the same in CapabilityBoundingSet=; Kubernetes: the overlay transparent'

/** As transparentObstacle(). Throws it as a ConfigError. */
export function needTransparent(
  config: Pick<Config, 'pools'>,
  loaded: LoadedLibc,
  plane: Status['plane'],
): void {
  const obstacle = transparentObstacle(config, loaded, plane)
  if (obstacle !== null) throw new ConfigError(obstacle)
}

export function transparencyBy(loaded: LoadedLibc, log: Log, after: After): Transparency {
  return new Transparency({ log, after, ask: asksFirst(loaded, after), hostAddresses: addressesOfDevices })
}

/** For endpoints of transparent pools. Without koffi none can be. */
export function asksFirst(
  loaded: LoadedLibc,
  after: After,
): (endpoint: SocketAddress, source: SocketAddress | null) => Promise<FirstAnswer> {
  if (loaded.kind === 'missing') return () => Promise.resolve({ kind: 'failed', code: 'ENOSYS' })
  return (endpoint, source) => firstAnswer(loaded.libc, after, endpoint, source, answerMs)
}

/** As hostAddresses(), with the devices that have them. */
export function addressesOfDevices(): readonly HostAddress[] {
  try {
    return Object.entries(networkInterfaces()).flatMap(([device, addresses]) =>
      (addresses ?? []).map(({ address }) => ({ device, address })),
    )
  } catch {
    return []
  }
}
