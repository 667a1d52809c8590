import { isDeepStrictEqual } from 'node:util'
import type { Pool } from 'undici'
import type { After } from '../../core/after.ts'
import { CodedError } from '../../core/coded-error.ts'
import { connectLookup } from '../dns/connect-lookup.ts'
import { systemLookup } from '../dns/name-lookup.ts'
import { type Cluster, CredentialsError, readMaterial } from './cluster.ts'
import { explained } from './connect-error.ts'
import type { ClusterFound } from './find-cluster.ts'
import { type Identity, identityOf, tlsOf } from './identity.ts'

/** The API server of a cluster, shared by everything that asks it. */
export interface Api {
  /** For people, `https://10.0.0.1:6443`: where it was last; null: nobody has been asked yet. */
  readonly server: string | null
  /**
   * Sends one GET. Rejects when it is not known whom to ask, when there is no connection or no credentials,
   * or with the signal's reason. An answer with status 401 is an answer. Whoever gets a body reads it to its
   * end, leaves the loop, or aborts.
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
/**
 * A watch is idle for a minute at a time; a vanished peer shows sooner this way, and firewalls keep the flow.
 */
const keepaliveMs = 15_000

/**
 * Opens nothing before the first get(). `locate` is asked before each request, and every file is read again:
 * tokens last an hour, authorities and certificates rotate, and there is a request in five minutes.
 * `userAgent`: how the server's audit log names us.
 */
export function connectCluster(locate: () => Promise<ClusterFound>, userAgent: string): Api {
  return new ClusterApi(locate, userAgent)
}

class ClusterApi implements Api {
  readonly #locate: () => Promise<ClusterFound>
  readonly #userAgent: string
  #server: string | null = null
  #current: { readonly identity: Identity; readonly pool: Pool } | null = null
  /** The current pool, and those before it that still have a watch. */
  readonly #pools = new Set<Pool>()
  readonly #names = systemLookup({ after, nowMs: () => performance.now() })
  #closed = false

  constructor(locate: () => Promise<ClusterFound>, userAgent: string) {
    this.#locate = locate
    this.#userAgent = userAgent
  }

  get server(): string | null {
    return this.#server
  }

  async get(path: string, query: Readonly<Record<string, string>>, signal: AbortSignal): Promise<ApiAnswer> {
    const found = await this.#locate()
    if (found.kind === 'none') throw new CredentialsError(found.reason)
    const { cluster } = found
    this.#server = cluster.server
    const { origin, pathname } = new URL(cluster.server)
    const headers: Record<string, string> = {
      accept: 'application/json',
      'accept-encoding': 'identity',
      'user-agent': this.#userAgent,
    }
    if (cluster.token !== null)
      headers.authorization = `Bearer ${readToken(await readMaterial(cluster.token))}`
    const pool = await this.#poolFor(origin, cluster)
    signal.throwIfAborted()
    try {
      const answer = await pool.request({
        method: 'GET',
        path: `${pathname.replace(/\/$/, '')}${path}?${new URLSearchParams(query)}`,
        headers,
        signal,
      })
      const { statusCode: status, body } = answer
      return { status, retryAfterMs: readRetryAfter(answer.headers['retry-after']), body }
    } catch (error) {
      throw explained(error, cluster)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#names.stop()
    await Promise.all([...this.#pools].map((pool) => pool.destroy()))
  }

  /**
   * A connection belongs to the identity with which it was opened: another identity gets its own connections.
   */
  async #poolFor(origin: string, cluster: Cluster): Promise<Pool> {
    const identity = await identityOf(origin, cluster)
    // Loaded when the first pool needs it: it takes 55 ms, and most configurations have no use for it.
    const { Pool } = await import('undici')
    if (this.#closed)
      throw new CodedError('ERR_API_CLOSED', 'internal', 'the connection to the API server is closed')
    if (this.#current !== null && isDeepStrictEqual(this.#current.identity, identity))
      return this.#current.pool
    const pool = new Pool(origin, {
      // A connection for each watch and one for lists. HTTP/2 would need one in all, but undici calls its own
      // experimental.
      allowH2: false,
      connect: {
        ...tlsOf(identity),
        lookup: connectLookup(this.#names),
        timeout: connectMs,
        keepAlive: true,
        keepAliveInitialDelay: keepaliveMs,
      },
      headersTimeout: 0,
      bodyTimeout: 0,
    })
    void this.#retire(this.#current?.pool)
    this.#pools.add(pool)
    this.#current = { identity, pool }
    return pool
  }

  /** What it still carries may end by itself. */
  async #retire(pool: Pool | undefined): Promise<void> {
    if (pool === undefined) return
    await pool.close().catch(() => {}) // close() destroys it meanwhile
    this.#pools.delete(pool)
  }
}

const after: After = (ms, fire) => {
  const timer = setTimeout(fire, ms)
  return () => clearTimeout(timer)
}

/** Throws CredentialsError for characters that no token contains: they could begin another header. */
function readToken(text: string): string {
  const token = text.trim()
  if (!/^[\x21-\x7e]+$/.test(token))
    throw new CredentialsError('the token must be printable ASCII without blanks, and it is not')
  return token
}

/** Seconds; the API server never sends a date. */
function readRetryAfter(header: string | string[] | undefined): number | null {
  const seconds = Number(Array.isArray(header) ? header[0] : header)
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : null
}
