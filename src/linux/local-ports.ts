import { readFileSync } from 'node:fs'

/**
 * Ports that the kernel chooses from for connections of this network namespace, IPv6 included (ip-sysctl).
 */
export interface LocalPorts {
  readonly least: number
  readonly most: number
}

/** null: /proc is not there, or says something else. */
export function readLocalPorts(file = '/proc/sys/net/ipv4/ip_local_port_range'): LocalPorts | null {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    return null
  }
  const [, least, most] = /^(\d+)\s+(\d+)\s*$/.exec(text) ?? []
  return least === undefined || most === undefined ? null : { least: Number(least), most: Number(most) }
}
