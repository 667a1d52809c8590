import { promises as dns } from 'node:dns'
import { errorCode, errorText } from '../../core/wording.ts'

export type Queried<T> =
  /** At least one. */
  | { readonly kind: 'found'; readonly records: readonly T[] }
  /** `code`: of c-ares, ENODATA among them; `reason` in words. */
  | { readonly kind: 'failed'; readonly code: string; readonly reason: string }

export interface AddressRecord {
  readonly address: string
  readonly ttlMs: number
}

/** Node does not tell the TTL of these. */
export interface ServiceRecord {
  /** Without the final dot; empty is the root: RFC 2782 has it say that the service is not there. */
  readonly target: string
  readonly port: number
  readonly priority: number
  readonly weight: number
}

/** Questions to name servers. Names are absolute; nothing here rejects. */
export interface Query {
  addresses(name: string, type: 'A' | 'AAAA'): Promise<Queried<AddressRecord>>
  services(name: string): Promise<Queried<ServiceRecord>>
  /** Queries that are still open fail. */
  cancel(): void
}

export interface Patience {
  /** For one server to answer once. */
  readonly timeoutMs: number
  /** How often each server is asked. */
  readonly attempts: number
}

export type OpenQuery = (servers: readonly string[], patience?: Patience) => Query

/** A lost packet costs two seconds, for which only this pool waits. */
const usualPatience: Patience = { timeoutMs: 2_000, attempts: 2 }

/**
 * c-ares through node:dns: it asks name servers and nobody else, and again over TCP when a reply is
 * truncated. It reads resolv.conf when it is made, so whoever wants to notice a change opens a new one.
 */
export const openQuery: OpenQuery = (servers, { timeoutMs, attempts } = usualPatience) => {
  const resolver = new dns.Resolver({ timeout: timeoutMs, tries: attempts, maxTimeout: timeoutMs })
  // Node loses the zone of an address on the way, c-ares reads it where it stands.
  if (servers.length > 0 && !servers.some((server) => server.includes('%'))) resolver.setServers(servers)
  return {
    addresses(name, type) {
      const ask =
        type === 'A' ? resolver.resolve4(name, { ttl: true }) : resolver.resolve6(name, { ttl: true })
      return found(ask.then((records) => records.map(({ address, ttl }) => ({ address, ttlMs: ttl * 1000 }))))
    },
    services(name) {
      const ask = resolver.resolveSrv(name)
      return found(
        ask.then((records) => records.map(({ name: target, ...record }) => ({ target, ...record }))),
      )
    },
    cancel() {
      resolver.cancel()
    },
  }
}

async function found<T>(asking: Promise<readonly T[]>): Promise<Queried<T>> {
  try {
    const records = await asking
    return records.length > 0 ? { kind: 'found', records } : failed('ENODATA', 'ENODATA')
  } catch (error) {
    return failed(errorCode(error), errorText(error))
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOTFOUND: 'the name does not exist (NXDOMAIN)',
  ENODATA: 'the name has no such records',
  ESERVFAIL: 'the name server failed (SERVFAIL)',
  EREFUSED: 'the name server refuses to answer',
  EBADRESP: 'the answer of the name server cannot be read',
  ENOTIMP: 'the name server cannot answer such questions (NOTIMP)',
  EFORMERR: 'the name server does not understand the question (FORMERR)',
  EBADNAME: 'that is no name that can be asked for',
  ECANCELLED: 'the question was given up',
  ETIMEOUT: 'no name server answers',
  ECONNREFUSED: 'no name server is there, or the answer does not fit into UDP and TCP is refused',
}

function failed(code: string, text: string): Queried<never> {
  return { kind: 'failed', code, reason: reasons[code] ?? text }
}
