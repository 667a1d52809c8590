import { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Certificate } from './certificate.ts'
import { type Change, Etcd } from './etcd.ts'
import { admitted, type SliceObject, stored } from './slice-object.ts'

export interface ApiServerOptions {
  readonly certificate: Certificate
  readonly host?: string
  /** Bearer tokens that are let in. */
  readonly tokens?: readonly string[]
  /** PEM of the authority whose client certificates are let in. */
  readonly clientCa?: string
  readonly namespace?: string
  /** The revision of etcd to begin with. */
  readonly revision?: number
  /** How long a list of a future version waits for it: 3 s in the real one. */
  readonly tooLargeMs?: number
  /** Takes any slice, as no kube-apiserver does: what another server with its API might say. */
  readonly lenient?: boolean
}

/** What the server does with every request until it is told otherwise. */
export type Mood =
  | { readonly kind: 'serve' }
  | { readonly kind: 'refuse'; readonly code: number; readonly retryAfterSeconds: number | null }
  /** Takes the request and says nothing. */
  | { readonly kind: 'hang' }
  /** 200 with this body: a captive portal, another program. */
  | { readonly kind: 'babble'; readonly body: string }

export interface Asked {
  readonly kind: 'list' | 'watch'
  readonly query: Readonly<Record<string, string>>
  readonly token: string | null
}

interface Watch {
  readonly response: ServerResponse
  readonly matches: (object: SliceObject) => boolean
  /** A version of the future: nothing is told. */
  readonly deaf: boolean
}

/**
 * A stand-in for kube-apiserver that answers what a real one (1.28, 1.36) was seen to answer for EndpointSlices of one
 * namespace: lists of the newest state, of one not older than a version, and of exactly a version until etcd has compacted
 * it; pages; watches with a history that begins with the process; bookmarks, versions that are not there yet, restarts.
 * Slices are refused and stored as there. Time does not pass in it: bookmarks and the ends of watches come when a test
 * says so. What a client must not do is in `violations`.
 */
export class ApiServer extends EventEmitter {
  readonly asked: Asked[] = []
  readonly violations: string[] = []
  mood: Mood = { kind: 'serve' }
  tokens: readonly string[]
  /** Whether the Role has the verb. */
  watchable = true
  readonly #options: ApiServerOptions
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #etcd: Etcd
  readonly #watches = new Set<Watch>()
  /** What the watch cache remembers since `#oldest`; it begins anew with the process. */
  #history: Change[] = []
  #oldest: number
  #port = 0

  private constructor(options: ApiServerOptions) {
    super()
    this.#options = options
    this.tokens = options.tokens ?? []
    this.#etcd = new Etcd(options.revision ?? 100)
    this.#oldest = this.#etcd.revision
    const clients =
      options.clientCa === undefined
        ? {}
        : { ca: options.clientCa, requestCert: true, rejectUnauthorized: false }
    this.#server = createServer({ ...options.certificate, ...clients }, (request, response) =>
      this.#answer(request, response),
    )
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.once('close', () => {
        this.#sockets.delete(socket)
        this.emit('event')
      })
    })
  }

  static async start(options: ApiServerOptions): Promise<ApiServer> {
    const server = new ApiServer(options)
    await server.#listen()
    return server
  }

  get port(): number {
    return this.#port
  }

  get revision(): number {
    return this.#etcd.revision
  }

  /** Connections that clients hold. */
  get connections(): number {
    return this.#sockets.size
  }

  get watches(): number {
    return this.#watches.size
  }

  /** Resolves when it is true; looked at whenever something happens here. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise((happened) => this.once('event', happened))
  }

  /** Creates or changes a slice, and tells those who watch it. Throws what the server answers to a bad one. */
  set(object: SliceObject): void {
    const before = this.#etcd.get(object.metadata.name)
    this.#tell(
      this.#etcd.put(
        this.#complete(this.#options.lenient === true ? stored(object) : admitted(object, before)),
      ),
    )
  }

  delete(name: string): void {
    this.#tell(this.#etcd.delete(name))
  }

  /** Something else in the cluster changes. */
  elsewhere(revisions = 1): void {
    this.#etcd.elsewhere(revisions)
  }

  /** A bookmark to every watch that asked for it and is heard. */
  bookmark(): void {
    const object = {
      kind: 'EndpointSlice',
      apiVersion: 'discovery.k8s.io/v1',
      metadata: { resourceVersion: String(this.revision), creationTimestamp: null },
      addressType: '',
      endpoints: null,
      ports: null,
    }
    for (const watch of this.#watches) if (!watch.deaf) write(watch, { type: 'BOOKMARK', object })
  }

  /** The watches' time is over. */
  endWatches(): void {
    for (const { response } of this.#watches) response.end()
  }

  /** An error event and the end. */
  failWatches(code: number, reason: string): void {
    for (const watch of this.#watches) {
      write(watch, { type: 'ERROR', object: status(code, reason, 'the test says so') })
      watch.response.end()
    }
  }

  /** Raw bytes into every watch, then its end, or the end of its connection. */
  breakWatches(bytes: string, how: 'end' | 'reset'): void {
    for (const { response } of this.#watches) {
      response.write(bytes, () => (how === 'end' ? response.end() : response.socket?.destroy()))
    }
  }

  /** The watch cache forgets, as it does when it is full: watches of older versions have expired. */
  forget(): void {
    this.#history = []
    this.#oldest = this.revision
  }

  /** etcd forgets: older versions cannot be listed. A running watch does not notice. */
  compact(): void {
    this.#etcd.compact()
  }

  /** etcd is restored from a backup, or another cluster has this address: the past is another. */
  restore(revision: number): void {
    this.#etcd.restore(revision)
    this.forget()
  }

  /** Ends every connection at once, and listens no more. */
  async crash(): Promise<void> {
    const closed = new Promise((done) => this.#server.close(done))
    for (const socket of this.#sockets) socket.destroy()
    this.#watches.clear()
    await closed
  }

  /**
   * Comes back at the same address with an empty watch cache: no version before now can be watched, the last included.
   * etcd still has them.
   */
  async revive(): Promise<void> {
    this.elsewhere()
    this.forget()
    await this.#listen()
  }

  async stop(): Promise<void> {
    if (this.#server.listening) await this.crash()
  }

  async #listen(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#server.once('error', reject)
    this.#server.listen(this.#port, this.#options.host ?? '127.0.0.1', resolve)
    await promise
    this.#server.off('error', reject)
    this.#port = (this.#server.address() as AddressInfo).port
  }

  #tell(change: Change): void {
    this.#history.push(change)
    for (const watch of this.#watches) if (!watch.deaf && watch.matches(change.object)) write(watch, change)
  }

  #complete({ metadata, ...rest }: SliceObject): SliceObject {
    return {
      kind: 'EndpointSlice',
      apiVersion: 'discovery.k8s.io/v1',
      metadata: {
        namespace: this.#options.namespace ?? 'default',
        uid: '1f0a',
        managedFields: [{ manager: 'kube-controller-manager', operation: 'Update' }],
        ...metadata,
      },
      ...rest,
    }
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'https://server')
    const query = Object.fromEntries(url.searchParams)
    const watch = query.watch === 'true'
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? null
    this.#inspect(request, url)
    this.asked.push({ kind: watch ? 'watch' : 'list', query, token })
    // Its own events first: whoever waits for a request sees it answered.
    queueMicrotask(() => this.emit('event'))

    const known = 'authorized' in request.socket && request.socket.authorized === true
    if (!known && (token === null || !this.tokens.includes(token))) {
      refuse(response, status(401, 'Unauthorized', 'Unauthorized'))
      return
    }
    const { mood } = this
    switch (mood.kind) {
      case 'refuse': {
        if (mood.retryAfterSeconds !== null) response.setHeader('retry-after', mood.retryAfterSeconds)
        refuse(response, status(mood.code, reasons[mood.code] ?? 'Unknown', 'the test says so'))
        return
      }
      case 'hang':
        return
      case 'babble':
        response.setHeader('content-type', 'text/html').end(mood.body)
        return
      case 'serve': {
        const path = `/apis/discovery.k8s.io/v1/namespaces/${this.#options.namespace ?? 'default'}/endpointslices`
        if (url.pathname !== path) {
          refuse(response, status(404, 'NotFound', 'the server could not find the requested resource'))
        } else if (watch && !this.watchable) {
          refuse(response, status(403, 'Forbidden', 'cannot watch resource "endpointslices"'))
        } else if (watch) this.#watch(response, query)
        else void this.#list(response, query)
      }
    }
  }

  /** What no client of a real server should do. */
  #inspect(request: IncomingMessage, { searchParams }: URL): void {
    const { method, headers } = request
    if (method !== 'GET') this.violations.push(`${method}`)
    if (headers.accept !== 'application/json') this.violations.push(`accept: ${headers.accept}`)
    if (!headers['user-agent']?.startsWith('spliceway/')) {
      this.violations.push(`user-agent: ${headers['user-agent']}`)
    }
    const watch = searchParams.get('watch') === 'true'
    const allowed = watch
      ? ['labelSelector', 'watch', 'allowWatchBookmarks', 'resourceVersion', 'timeoutSeconds']
      : ['labelSelector', 'limit', 'resourceVersion', 'resourceVersionMatch', 'continue']
    for (const name of searchParams.keys()) if (!allowed.includes(name)) this.violations.push(`?${name}`)
    if (!watch) return
    const seconds = Number(searchParams.get('timeoutSeconds'))
    if (!(seconds >= 300 && seconds < 600)) this.violations.push(`timeoutSeconds=${seconds}`)
    if (searchParams.get('allowWatchBookmarks') !== 'true') this.violations.push('no bookmarks')
    const version = searchParams.get('resourceVersion') ?? ''
    if (version === '' || version === '0') this.violations.push(`watch from version \`${version}\``)
  }

  async #list(response: ServerResponse, query: Asked['query']): Promise<void> {
    const { resourceVersion: version = '', resourceVersionMatch: match = '', continue: next } = query
    const limit = Number(query.limit ?? 0)
    const invalid = invalidOf(query)
    if (invalid !== null) return refuse(response, invalidStatus(invalid))
    if (next !== undefined) {
      if (version !== '' && version !== '0') {
        const message = 'specifying resource version is not allowed when using continue'
        return refuse(response, status(400, 'BadRequest', message))
      }
      const { at, after } = readToken(next)
      return this.#page(response, query, at, after, limit)
    }
    // `limit` beside a version and no match is an exact read (apiserver/pkg/storage/cacher/delegator: legacy exact match).
    const exact = match === 'Exact' || (match === '' && limit > 0 && version !== '' && version !== '0')
    if (Number(version) > this.revision) {
      // The cache waits for it; etcd does not.
      if (!exact) await new Promise((waited) => setTimeout(waited, this.#options.tooLargeMs ?? 10))
      return refuse(response, tooLarge(version, this.revision))
    }
    // The cache has it in one piece for version 0, whatever the limit.
    const at = exact ? Number(version) : this.revision
    this.#page(response, query, at, '', version === '0' ? 0 : limit)
  }

  /** What there was `at` a version, after the slice of that name, `limit` of them; 0: all. */
  #page(response: ServerResponse, query: Asked['query'], at: number, after: string, limit: number): void {
    const found = this.#etcd.at(at)
    if (found === null) {
      const message =
        after === ''
          ? 'The resourceVersion for the provided list is too old.'
          : 'The provided continue parameter is too old to display a consistent list result.'
      refuse(response, status(410, 'Expired', message))
      return
    }
    const rest = found.filter(selector(query.labelSelector)).filter(({ metadata }) => metadata.name > after)
    const items = limit === 0 ? rest : rest.slice(0, limit)
    const last = items.at(-1)
    const next =
      last !== undefined && items.length < rest.length
        ? { continue: writeToken({ at, after: last.metadata.name }) }
        : {}
    response.setHeader('content-type', 'application/json')
    response.end(
      JSON.stringify({
        kind: 'EndpointSliceList',
        apiVersion: 'discovery.k8s.io/v1',
        metadata: { resourceVersion: String(at), ...next },
        items,
      }),
    )
  }

  #watch(response: ServerResponse, query: Asked['query']): void {
    if (query.resourceVersionMatch !== undefined) {
      const reason = 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided'
      refuse(response, invalidStatus(`resourceVersionMatch: Forbidden: ${reason}`))
      return
    }
    const from = Number(query.resourceVersion)
    response.writeHead(200, { 'content-type': 'application/json' })
    response.flushHeaders()
    const watch: Watch = { response, matches: selector(query.labelSelector), deaf: from > this.revision }
    if (from < this.#oldest) {
      const message = `too old resource version: ${from} (${this.#oldest})`
      write(watch, { type: 'ERROR', object: status(410, 'Expired', message) })
      response.end()
      return
    }
    for (const change of this.#history) {
      if (change.revision > from && watch.matches(change.object)) write(watch, change)
    }
    this.#watches.add(watch)
    response.on('error', () => {})
    response.once('close', () => {
      this.#watches.delete(watch)
      this.emit('event')
    })
    queueMicrotask(() => this.emit('event'))
  }
}

/** What ValidateListOptions says of a list; null: nothing. */
function invalidOf(query: Asked['query']): string | null {
  const { resourceVersion: version = '', resourceVersionMatch: match, continue: next } = query
  const path = 'resourceVersionMatch'
  if (match === undefined) return null
  if (version === '') return `${path}: Forbidden: ${path} is forbidden unless resourceVersion is provided`
  if (next !== undefined) return `${path}: Forbidden: ${path} is forbidden when continue is provided`
  if (match !== 'Exact' && match !== 'NotOlderThan') return `${path}: Unsupported value: "${match}"`
  if (match === 'Exact' && version === '0')
    return `${path}: Forbidden: ${path} "exact" is forbidden for resourceVersion "0"`
  return null
}

const reasons: Readonly<Record<number, string>> = {
  401: 'Unauthorized',
  403: 'Forbidden',
  410: 'Expired',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
}

/** meta/v1 Status. */
interface StatusObject {
  readonly code: number
  readonly [field: string]: unknown
}

function status(code: number, reason: string, message: string): StatusObject {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code }
}

function refuse(response: ServerResponse, body: StatusObject): void {
  response.writeHead(body.code, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

function write({ response }: Watch, { type, object }: { type: string; object: object }): void {
  response.write(`${JSON.stringify({ type, object })}\n`)
}

function invalidStatus(problem: string): StatusObject {
  return status(422, 'Invalid', `ListOptions.meta.k8s.io "" is invalid: ${problem}`)
}

function tooLarge(version: string, current: number): StatusObject {
  const message = `Timeout: Too large resource version: ${version}, current: ${current}`
  return {
    ...status(504, 'Timeout', message),
    details: {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
      retryAfterSeconds: 1,
    },
  }
}

interface Token {
  readonly at: number
  readonly after: string
}

function writeToken(token: Token): string {
  return Buffer.from(JSON.stringify(token)).toString('base64')
}

function readToken(text: string): Token {
  return JSON.parse(Buffer.from(text, 'base64').toString())
}

/** `a=b,c=d`, nothing else. */
function selector(text = ''): (object: SliceObject) => boolean {
  const wanted = text
    .split(',')
    .filter((pair) => pair !== '')
    .map((pair) => pair.split('='))
  return ({ metadata }) => wanted.every(([key = '', value]) => metadata.labels?.[key] === value)
}
