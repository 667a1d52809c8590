import { networkInterfaces } from 'node:os'
import { textOf } from './text.ts'

export interface HostAddress {
  readonly interface: string
  readonly host: string
  readonly family: 4 | 6
  /** `10.99.0.1/24`; null: not known. */
  readonly network: string | null
}

export interface Addresses {
  /** Of interfaces that are up. */
  readonly hosts: readonly HostAddress[]
  /** Names of all interfaces, also those that are down. */
  readonly interfaces: readonly string[]
}

export function readAddresses(): Addresses {
  const devices = (textOf('/proc/net/dev') ?? '').split('\n').slice(2)
  return {
    hosts: hosts(),
    interfaces: devices.flatMap((line) => /^\s*([^:\s]+):/.exec(line)?.[1] ?? []),
  }
}

/** Without AF_NETLINK, which systemd can forbid, nobody can be asked. */
function hosts(): readonly HostAddress[] {
  try {
    return Object.entries(networkInterfaces()).flatMap(([name, found]) =>
      (found ?? []).map(
        ({ address, family, cidr }): HostAddress => ({
          interface: name,
          host: address,
          family: family === 'IPv6' ? 6 : 4,
          network: cidr,
        }),
      ),
    )
  } catch {
    return []
  }
}
