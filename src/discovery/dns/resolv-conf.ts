import { isIP } from 'node:net'

/** What resolv.conf(5) says of how names are asked for. */
export interface ResolvConf {
  /** As dns.setServers() takes them, with a port where the file has one. At least one. */
  readonly servers: readonly string[]
  /** Domains that are tried behind a name. */
  readonly search: readonly string[]
  /** A name with so many dots is tried as it is before the domains, one with fewer after them. */
  readonly ndots: number
  /** For one server to answer once. */
  readonly timeoutMs: number
  /** How often each server is asked. */
  readonly attempts: number
  /** false: `no-aaaa`, there is no IPv6 here. */
  readonly ipv6: boolean
}

/** MAXNS and the bounds of the options, from glibc's resolv/res_init.c and resolv.h. */
const maxServers = 3
const maxNdots = 15
const maxTimeoutS = 30
const maxAttempts = 5
/** Kubernetes allows 32 domains; glibc had 6 for long. */
const maxSearch = 32
/** glibc waits five seconds. A lost packet need not cost so much: nobody but the name itself waits. */
const usualTimeoutMs = 2_000
const usualAttempts = 2

/**
 * Reads the text of a resolv.conf; $LOCALDOMAIN and $RES_OPTIONS of `env` come on top, as in resolv.conf(5).
 * `hostName`: of this machine; its domain is searched when the file names none. Leaves out what it does not
 * know. Never throws.
 */
export function parseResolvConf(
  text: string,
  env: Readonly<Record<string, string | undefined>>,
  hostName: string,
): ResolvConf {
  const servers: string[] = []
  const dot = hostName.indexOf('.')
  let search = dot === -1 ? [] : [hostName.slice(dot + 1)]
  const options: string[] = []
  for (const line of text.split('\n')) {
    const [key, ...values] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/)
    if (key === 'nameserver') servers.push(...values.slice(0, 1).filter(isServer))
    // The last of these two wins.
    else if (key === 'search' && values.length > 0) search = values
    else if (key === 'domain' && values.length > 0) search = values.slice(0, 1)
    else if (key === 'options') options.push(...values)
  }
  if (env.LOCALDOMAIN) search = words(env.LOCALDOMAIN)
  options.push(...words(env.RES_OPTIONS ?? ''))
  return {
    servers: servers.length === 0 ? ['127.0.0.1'] : servers.slice(0, maxServers),
    // The root as search domain: the name is looked up as it is.
    search: search
      .map((domain) => domain.replace(/\.$/, '').toLowerCase())
      .filter((domain) => domain !== '')
      .slice(0, maxSearch),
    ndots: Math.min(maxNdots, option(options, 'ndots') ?? 1),
    timeoutMs: 1000 * Math.min(maxTimeoutS, option(options, 'timeout') || usualTimeoutMs / 1000),
    attempts: Math.min(maxAttempts, option(options, 'attempts') || usualAttempts),
    ipv6: !options.includes('no-aaaa'),
  }
}

/** The names to ask for, in this order: those that resolv.conf makes of a host's name. */
export function candidates(host: string, { search, ndots }: Pick<ResolvConf, 'search' | 'ndots'>): string[] {
  if (host.endsWith('.')) return [host.slice(0, -1)]
  const searched = search.map((domain) => `${host}.${domain}`).filter((name) => name.length <= maxNameLength)
  const dots = host.split('.').length - 1
  return dots >= ndots ? [host, ...searched] : [...searched, host]
}

/** RFC 1035 section 3.1, as text without the final dot. */
const maxNameLength = 253

/** The last mention counts. */
function option(options: readonly string[], name: string): number | undefined {
  const value = options.findLast((text) => text.startsWith(`${name}:`))?.slice(name.length + 1)
  return value !== undefined && /^\d{1,9}$/.test(value) ? Number(value) : undefined
}

/** An address, or `ADDRESS:PORT`, which c-ares and systemd-resolved take too. */
function isServer(text: string): boolean {
  return isIP(text) !== 0 || isIP(/^\[?(.+?)\]?:\d+$/.exec(text)?.[1] ?? '') !== 0
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '')
}
