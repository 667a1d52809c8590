import { hostname } from 'node:os'
import { formatIp, parseIp } from '../../core/address.ts'
import type { After } from '../../core/after.ts'
import { isNobody, type Special, specialOf } from '../../core/special-address.ts'
import { askFamilies, failureOf, isAbsent, type Told } from './families.ts'
import { type Hosts, hostKey, parseHosts } from './hosts-file.ts'
import { type AddressRecord, type OpenQuery, openQuery, type Queried, type Query } from './query.ts'
import { candidates, parseResolvConf, type ResolvConf } from './resolv-conf.ts'
import { SystemFile } from './system-file.ts'

/** Finds the addresses of host names. */
export interface Lookup {
  /** Any number at a time: no name waits for another. Never rejects. */
  addresses(host: string): Promise<LookedUp>
  /** What is under way fails at once. */
  stop(): void
}

export type LookedUp =
  | {
      readonly kind: 'found'
      /**
       * Canonical literals, sorted, each once: the order of an answer means nothing here, and it changes with
       * each query. At least one.
       */
      readonly addresses: readonly string[]
      /** The family whose addresses could not be found; null: both are known. */
      readonly silent: 4 | 6 | null
    }
  /** `reason`: `the name does not exist (NXDOMAIN)`. */
  | { readonly kind: 'failed'; readonly reason: string }

export interface NameLookupDeps {
  readonly open: OpenQuery
  readonly after: After
  readonly nowMs: () => number
  readonly env: Readonly<Record<string, string | undefined>>
  /** Of this machine. */
  readonly hostName: string
  readonly files: { readonly hosts: string; readonly resolvConf: string }
}

/**
 * The hosts file, then name servers by c-ares, with the search domains and options of resolv.conf; both files
 * are read again when they change. Not getaddrinfo(3): it runs in four threads of libuv, two at a time for
 * Node, so two dead names delay all others by 10 s and more, and the end of the process waits for it too
 * (measured: 9.7 s). What getaddrinfo finds by other modules of nsswitch.conf (mDNS, LDAP, machines of
 * systemd) is not found.
 */
export function nameLookup(deps: NameLookupDeps): Lookup {
  return new NameLookup(deps)
}

/** nameLookup() with the files of this machine. */
export function systemLookup({ after, nowMs }: Pick<NameLookupDeps, 'after' | 'nowMs'>): Lookup {
  const files = { hosts: '/etc/hosts', resolvConf: '/etc/resolv.conf' }
  return nameLookup({ open: openQuery, after, nowMs, env: process.env, hostName: hostname(), files })
}

interface Asking {
  readonly conf: ResolvConf
  readonly query: Query
}

class NameLookup implements Lookup {
  readonly #deps: NameLookupDeps
  readonly #hosts: SystemFile<Hosts>
  readonly #conf: SystemFile<ResolvConf>
  /**
   * One for all names: what it learns of a dead server serves all. It was opened for the resolv.conf beside
   * it.
   */
  #asking: Asking | null = null
  #stopped = false

  constructor(deps: NameLookupDeps) {
    const { env, hostName, files, nowMs } = deps
    this.#deps = deps
    this.#hosts = new SystemFile(files.hosts, parseHosts, nowMs)
    this.#conf = new SystemFile(files.resolvConf, (text) => parseResolvConf(text, env, hostName), nowMs)
  }

  async addresses(host: string): Promise<LookedUp> {
    const [hosts, conf] = await Promise.all([this.#hosts.value(), this.#conf.value()])
    if (this.#stopped) return { kind: 'failed', reason: 'the program stops' }
    const listed = hosts.get(hostKey(host))
    if (listed !== undefined) return fromHosts(listed)
    // RFC 6761 section 6.3: no name server is asked for these.
    if (/(^|\.)localhost\.?$/.test(host))
      return { kind: 'found', addresses: ['127.0.0.1', '::1'], silent: null }
    return this.#search(host, conf)
  }

  stop(): void {
    this.#stopped = true
    this.#asking?.query.cancel()
  }

  /**
   * As glibc's res_search(): a name that is not there, or a zone that is broken, leads to the next domain;
   * silence ends it.
   */
  async #search(host: string, conf: ResolvConf): Promise<LookedUp> {
    const query = this.#open(conf)
    let failure: Extract<Outcome, { kind: 'failed' }> | null = null
    for (const name of candidates(host, conf)) {
      const outcome = await this.#ask(query, name, conf)
      if (outcome.kind === 'found') return outcome
      // More useful to a reader than the fact that the name is not in the other domains.
      if (failure === null || !isAbsent(outcome.code)) failure = outcome
      if (this.#stopped || !(isAbsent(outcome.code) || broken.has(outcome.code))) break
    }
    return { kind: 'failed', reason: failure?.reason ?? 'the name is too long' }
  }

  async #ask(query: Query, name: string, { ipv6 }: ResolvConf): Promise<Outcome> {
    return outcomeOf(await askFamilies(query, name, ipv6 ? ['A', 'AAAA'] : ['A'], this.#deps.after))
  }

  #open(conf: ResolvConf): Query {
    if (this.#asking?.conf !== conf) {
      const { servers, timeoutMs, attempts } = conf
      // Queries under way in the previous resolver end by themselves.
      this.#asking = { conf, query: this.#deps.open(servers, { timeoutMs, attempts }) }
    }
    return this.#asking.query
  }
}

/** A server has answered, and has nothing to say. */
const broken: ReadonlySet<string> = new Set(['ESERVFAIL', 'EREFUSED', 'ENOTIMP', 'EFORMERR', 'EBADRESP'])

function fromHosts(listed: readonly string[]): LookedUp {
  const addresses = eachOnce(listed)
  if (addresses.length > 0) return { kind: 'found', addresses, silent: null }
  return { kind: 'failed', reason: `the hosts file says ${listed.join(', ')}` }
}

type Outcome = Extract<LookedUp, { kind: 'found' }> | Extract<Queried<AddressRecord>, { kind: 'failed' }>

function outcomeOf(told: Told): Outcome {
  const failure = failureOf(told)
  if (failure !== null) return failure
  const answers = [told.A, told.AAAA].flatMap((found) => (found?.kind === 'found' ? found.records : []))
  const addresses = eachOnce(answers.map(({ address }) => address))
  if (addresses.length === 0) {
    const refused = answers.flatMap(({ address }) => nobodyAt(address) ?? []).join(', ')
    return { kind: 'failed', code: 'EBLOCKED', reason: `the answer is ${refused}` }
  }
  return { kind: 'found', addresses, silent: isSilent(told.A) ? 4 : isSilent(told.AAAA) ? 6 : null }
}

function isSilent(found: Queried<AddressRecord> | null): boolean {
  return found === null || (found.kind === 'failed' && !isAbsent(found.code))
}

/**
 * `0.0.0.0 (unspecified)` of an answer that is no host's, as blocking name servers give it; null: it may be
 * one.
 */
function nobodyAt(address: string): string | null {
  const ip = parseIp(address)
  const special: Special | null = ip === undefined ? null : specialOf(ip)
  return ip === undefined || !isNobody(ip) ? null : `${formatIp(ip)} (${special})`
}

/** v4-mapped answers become IPv4, each address appears once, and those of nobody not at all. */
function eachOnce(literals: readonly string[]): readonly string[] {
  const addresses = literals.flatMap((literal) => {
    const ip = parseIp(literal)
    return ip === undefined || isNobody(ip) ? [] : [formatIp(ip)]
  })
  return [...new Set(addresses)].sort()
}
