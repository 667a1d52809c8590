import type { Socket } from 'node:net'
import type { Client } from 'undici'
import { formatAddress } from '../core/address.ts'
import type { Verdict } from '../core/health.ts'
import { errorCode, errorText } from '../core/wording.ts'
import { openSocket, type ProbeAddress, secureSocket } from './socket.ts'
import { oneVerdict, type ProbeLimits, type Underway } from './verdict.ts'

export interface HttpProbe {
  readonly secure: boolean
  readonly path: string
  /** Statuses that pass. */
  readonly status: readonly number[]
  /** The Host header, and the SNI name where it is a name; null: the target's address, and no SNI. */
  readonly host: string | null
}

/**
 * Read for an orderly end of the connection; a health page is far smaller, and an endless one must not cost
 * more.
 */
const maxBodyBytes = 64 * 1024

/**
 * Passes when GET `path` answers with one of `status`, and the body (or its first 64 KiB) arrives, within the
 * timeout. Each probe has a connection of its own: a kept one that died meanwhile says nothing about new
 * ones. Never rejects.
 */
export async function probeHttp(
  target: ProbeAddress,
  options: HttpProbe,
  limits: ProbeLimits,
): Promise<Verdict> {
  const kind = options.secure ? 'https' : 'http'
  // Not at the top: loading undici takes about 55 ms, and many configurations have no http probe. Not within
  // the timeout: the first probe's verdict decides at once, and this time is not the endpoint's.
  const undici = await load()
  if (undici instanceof Error) return { ok: false, reason: `${kind}: ${undici.message}`, fault: 'local' }
  return oneVerdict(kind, limits, (probe) => {
    let client: Client | undefined
    // From the hand-over on, errors come through the request: undici destroys the socket with errors of its
    // own.
    const failed = (error: Error) => {
      if (client === undefined) probe.failed(error)
    }
    const converse = (ready: Socket) => {
      client = new undici.Client(`${kind}://${authorityOf(target)}`, {
        // Not at once: undici ignores a connection that it gets before its own call has returned.
        connect: (_, callback) => queueMicrotask(() => callback(null, ready)),
        maxRequestsPerClient: 1,
        headersTimeout: 0, // The probe's own timeout covers all of it.
        bodyTimeout: 0,
      })
      ask(client, target, options, probe).catch((error: unknown) => probe.failed(httpError(error)))
    }
    const connected = (raw: Socket) => {
      if (!options.secure) return converse(raw)
      probe.now('in the handshake')
      const tls = { serverName: hostName(options.host), protocols: ['http/1.1'] }
      secureSocket(raw, tls, converse, failed)
    }
    probe.now('while connecting')
    const socket = openSocket(target, connected, failed)
    return () => {
      client?.destroy().catch(() => {}) // The request has a verdict already, so there is nobody to tell.
      socket.destroy()
    }
  })
}

async function load(): Promise<typeof import('undici') | Error> {
  try {
    return await import('undici')
  } catch (error) {
    return new Error(`undici cannot be loaded (${errorText(error)}); install it or use a tcp probe`)
  }
}

async function ask(client: Client, target: ProbeAddress, options: HttpProbe, probe: Underway): Promise<void> {
  probe.now('waiting for the answer')
  const { statusCode, body } = await client.request({
    method: 'GET',
    path: options.path,
    headers: { host: options.host ?? authorityOf(target), 'user-agent': 'spliceway-probe' },
    reset: true, // Connection: close
  })
  // How it ends, because of the status or the limit, is an error that nobody waits for.
  body.on('error', () => {})
  if (!options.status.includes(statusCode)) {
    throw new Error(`status ${statusCode}, expected ${options.status.join(' or ')}`)
  }
  probe.now('reading the body')
  let bodyBytes = 0
  for await (const chunk of body) {
    bodyBytes += Buffer.byteLength(chunk)
    if (bodyBytes >= maxBodyBytes) break
  }
  probe.passed(`status ${statusCode}`, true)
}

/** Of a UNIX socket, which has no address that HTTP knows, `localhost`. */
function authorityOf({ address }: ProbeAddress): string {
  return address.family === 'unix' ? 'localhost' : formatAddress(address)
}

/** A Host header without its port. */
function hostName(host: string | null): string | null {
  return host === null ? null : host.replace(/:\d+$/, '')
}

const httpTexts: Readonly<Record<string, string>> = {
  UND_ERR_SOCKET: 'connection closed before the end of the answer',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'connection closed before the end of the answer',
}

function httpError(error: unknown): unknown {
  const notHttp = error instanceof Error && error.name === 'HTTPParserError'
  const text = notHttp ? 'the answer is not HTTP/1.1' : httpTexts[errorCode(error)]
  return text === undefined ? error : new Error(text, { cause: error })
}
