import { formatIp, parseIp } from '../../core/address.ts'

/** Addresses by name, in lower case and without a final dot. */
export type Hosts = ReadonlyMap<string, readonly string[]>

/**
 * Reads the text of a hosts(5) file: an address and its names a line. All lines of a name count. An address
 * with a zone is left out: nothing here can connect to one. Never throws.
 */
export function parseHosts(text: string): Hosts {
  const hosts = new Map<string, string[]>()
  for (const line of text.split('\n')) {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/)
    const ip = address.includes('%') ? undefined : parseIp(address)
    if (ip === undefined) continue
    for (const name of names) {
      const key = hostKey(name)
      const known = hosts.get(key)
      if (known === undefined) hosts.set(key, [formatIp(ip)])
      else known.push(formatIp(ip))
    }
  }
  return hosts
}

/** Of a name, as Hosts has it. */
export function hostKey(name: string): string {
  return name.replace(/\.$/, '').toLowerCase()
}
