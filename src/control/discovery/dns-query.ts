import { promises as dns } from 'node:dns'
import { errorCode, errorText } from '../wording.ts'

export type Found<T> =
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
  addresses(name: string, type: 'A' | 'AAAA'): Promise<Found<AddressRecord>>
  services(name: string): Promise<Found<ServiceRecord>>
  /** What is still open fails. */
  cancel(): void
}

export type OpenQuery = (servers: readonly string[]) => Query

/** Two tries of two seconds for each server: a lost packet costs two seconds, and nobody waits for them but this pool. */
const patience = { timeout: 2_000, tries: 2, maxTimeout: 2_000 }

/**
 * c-ares through node:dns: it asks name servers and nobody else, and again over TCP when a reply is truncated. It reads
 * resolv.conf when it is made, so whoever wants to notice a change opens a new one.
 */
export const openQuery: OpenQuery = (servers) => {
  const resolver = new dns.Resolver(patience)
  if (servers.length > 0) resolver.setServers(servers)
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

async function found<T>(asking: Promise<readonly T[]>): Promise<Found<T>> {
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
  ETIMEOUT: 'no name server answers',
  ECONNREFUSED: 'no name server is there',
}

function failed(code: string, text: string): Found<never> {
  return { kind: 'failed', code, reason: reasons[code] ?? text }
}
