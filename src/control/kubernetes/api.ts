import type { LookupFunction } from 'node:net'
import type { buildConnector, Pool } from 'undici'
import type { After } from '../after.ts'
import { connectLookup } from '../connect-lookup.ts'
import { systemLookup } from '../name-lookup.ts'
import { type Cluster, CredentialsError, readMaterial } from './cluster.ts'

/** The API server of a cluster, shared by everything that asks it. */
export interface Api {
  /** For people: `https://10.0.0.1:6443`. */
  readonly server: string
  /**
   * Sends one GET. Rejects when there is no connection or no credentials, or with the signal's reason. An answer with
   * status 401 is an answer. Whoever gets a body reads it to its end, leaves the loop, or aborts.
   */
  get(path: string, query: Readonly<Record<string, string>>, signal: AbortSignal): Promise<ApiAnswer>
  /** Closes every socket. */
  close(): Promise<void>
}

export interface ApiAnswer {
  readonly status: number
  /** From the header of that name; null: none. */
  readonly retryAfterMs: number | null
  readonly body: AsyncIterable<Uint8Array>
}

/** For the TCP and TLS handshakes. The time for an answer is the caller's to limit. */
const connectMs = 10_000
/** A watch is idle for a minute at a time; a vanished peer shows sooner this way, and firewalls keep the flow. */
const keepaliveMs = 15_000

/** Opens nothing before the first get(). `userAgent`: how the server's audit log names us. */
export function connectCluster(cluster: Cluster, userAgent: string): Api {
  const { origin, pathname } = new URL(cluster.server)
  const prefix = pathname.replace(/\/$/, '')
  let pool: Promise<Pool> | null = null
  let closed = false
  const names = systemLookup({ after, nowMs: () => performance.now() })
  return {
    server: cluster.server,
    async get(path, query, signal) {
      const headers: Record<string, string> = {
        accept: 'application/json',
        'accept-encoding': 'identity',
        'user-agent': userAgent,
      }
      // Read for each request: the kubelet replaces it within the hour, and there is one request in five minutes.
      if (cluster.token !== null)
        headers.authorization = `Bearer ${readToken(await readMaterial(cluster.token))}`
      signal.throwIfAborted()
      if (closed) throw new Error('the connection to the API server is closed')
      pool ??= openPool(origin, cluster, connectLookup(names))
      const answer = await (await pool).request({
        method: 'GET',
        path: `${prefix}${path}?${new URLSearchParams(query)}`,
        headers,
        signal,
      })
      const { statusCode: status, body } = answer
      return { status, retryAfterMs: readRetryAfter(answer.headers['retry-after']), body }
    },
    async close() {
      closed = true
      names.stop()
      await (await pool?.catch(() => null))?.destroy()
    },
  }
}

const after: After = (ms, fire) => {
  const timer = setTimeout(fire, ms)
  return () => clearTimeout(timer)
}

/** Throws CredentialsError for what no token has: in a header it could become another header. */
function readToken(text: string): string {
  const token = text.trim()
  if (!/^[\x21-\x7e]+$/.test(token))
    throw new CredentialsError('the token holds characters that no token has')
  return token
}

/** undici is loaded when the first pool needs it: it takes 55 ms, and most configurations have no use for it. */
async function openPool(origin: string, cluster: Cluster, lookup: LookupFunction): Promise<Pool> {
  const { Pool, buildConnector } = await import('undici')
  return new Pool(origin, {
    // A connection for each watch and one for lists. HTTP/2 would need one in all, but undici calls its own experimental.
    allowH2: false,
    connect: (options, callback) => {
      connectOptions(cluster)
        .then((settings) => buildConnector({ ...settings, lookup })(options, callback))
        .catch((error: unknown) => callback(error instanceof Error ? error : new Error(String(error)), null))
    },
    headersTimeout: 0,
    bodyTimeout: 0,
  })
}

/** Authorities and certificates are read anew for each connection: they rotate. */
async function connectOptions(cluster: Cluster): Promise<buildConnector.BuildOptions> {
  const { ca, certificate, insecure, serverName } = cluster
  return {
    allowH2: false,
    maxCachedSessions: 0,
    timeout: connectMs,
    keepAlive: true,
    keepAliveInitialDelay: keepaliveMs,
    rejectUnauthorized: !insecure,
    ...(ca !== null && { ca: await readMaterial(ca) }),
    ...(serverName !== null && { servername: serverName }),
    ...(certificate !== null && {
      cert: await readMaterial(certificate.cert),
      key: await readMaterial(certificate.key),
    }),
  }
}

/** Seconds; the API server never sends a date. */
function readRetryAfter(header: string | string[] | undefined): number | null {
  const seconds = Number(Array.isArray(header) ? header[0] : header)
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : null
}
