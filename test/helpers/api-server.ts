import { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Certificate } from './certificate.ts'

/** An EndpointSlice as it goes over the wire: whatever a test wants it to be, with a name and labels. */
export interface SliceObject {
  readonly metadata: {
    readonly name: string
    readonly [field: string]: unknown
    readonly labels?: Readonly<Record<string, string>>
  }
  readonly [field: string]: unknown
}

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

interface Change {
  readonly revision: number
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly object: SliceObject
}

/**
 * A stand-in for kube-apiserver that answers what a real one (1.28) was seen to answer for EndpointSlices of one
 * namespace: list from the cache or from etcd in pages, watch with history, bookmarks, versions that are too old or not
 * there yet, restarts. Time does not pass in it: bookmarks and the ends of watches come when a test says so. What a
 * client must not do is in `violations`.
 */
export class ApiServer extends EventEmitter {
  readonly asked: Asked[] = []
  readonly violations: string[] = []
  mood: Mood = { kind: 'serve' }
  tokens: readonly string[]
  readonly #options: ApiServerOptions
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #slices = new Map<string, SliceObject>()
  readonly #watches = new Set<Watch>()
  /** What the watch cache remembers; it begins anew with the process. */
  #history: Change[] = []
  #oldest: number
  #revision: number
  #port = 0

  private constructor(options: ApiServerOptions) {
    super()
    this.#options = options
    this.tokens = options.tokens ?? []
    this.#revision = options.revision ?? 100
    this.#oldest = this.#revision
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
    return this.#revision
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

  /** Creates or changes a slice, and tells those who watch it. */
  set(object: SliceObject): void {
    const type = this.#slices.has(object.metadata.name) ? 'MODIFIED' : 'ADDED'
    this.#change(type, object)
    this.#slices.set(object.metadata.name, this.#stamped(object))
  }

  delete(name: string): void {
    const object = this.#slices.get(name)
    if (object === undefined) throw new Error(`there is no slice ${name}`)
    this.#slices.delete(name)
    this.#change('DELETED', object)
  }

  /** Something else in the cluster changes. */
  elsewhere(revisions = 1): void {
    this.#revision += revisions
  }

  /** A bookmark to every watch that asked for it and is heard. */
  bookmark(): void {
    const object = {
      kind: 'EndpointSlice',
      apiVersion: 'discovery.k8s.io/v1',
      metadata: { resourceVersion: String(this.#revision), creationTimestamp: null },
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

  /** The cache forgets, as it does when it is full: older versions have expired. */
  compact(): void {
    this.#history = []
    this.#oldest = this.#revision
  }

  /** etcd is restored from a backup, or another cluster has this address: the past is another. */
  restore(revision: number): void {
    this.#revision = revision
    this.compact()
  }

  /** Ends every connection at once, and listens no more. */
  async crash(): Promise<void> {
    const closed = new Promise((done) => this.#server.close(done))
    for (const socket of this.#sockets) socket.destroy()
    this.#watches.clear()
    await closed
  }

  /** Comes back at the same address with an empty watch cache: every version before now has expired, the last included. */
  async revive(): Promise<void> {
    this.#revision++
    this.compact()
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

  #change(type: Change['type'], object: SliceObject): void {
    this.#revision++
    const change = { type, object: this.#stamped(object), revision: this.#revision }
    this.#history.push(change)
    for (const watch of this.#watches) if (!watch.deaf && watch.matches(object)) write(watch, change)
  }

  #stamped(object: SliceObject): SliceObject {
    const { metadata, ...rest } = object
    return {
      kind: 'EndpointSlice',
      apiVersion: 'discovery.k8s.io/v1',
      metadata: {
        namespace: this.#options.namespace ?? 'default',
        uid: '1f0a',
        managedFields: [{ manager: 'kube-controller-manager', operation: 'Update' }],
        ...metadata,
        resourceVersion: String(this.#revision),
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
      : ['labelSelector', 'limit', 'resourceVersion', 'continue']
    for (const name of searchParams.keys()) if (!allowed.includes(name)) this.violations.push(`?${name}`)
    if (!watch) return
    const seconds = Number(searchParams.get('timeoutSeconds'))
    if (!(seconds >= 300 && seconds < 600)) this.violations.push(`timeoutSeconds=${seconds}`)
    if (searchParams.get('allowWatchBookmarks') !== 'true') this.violations.push('no bookmarks')
    const version = searchParams.get('resourceVersion') ?? ''
    if (version === '' || version === '0') this.violations.push(`watch from version \`${version}\``)
  }

  async #list(response: ServerResponse, query: Asked['query']): Promise<void> {
    const matches = selector(query.labelSelector)
    const version = query.resourceVersion ?? ''
    if (query.continue !== undefined && version !== '') {
      const message = 'specifying resource version is not allowed when using continue'
      return refuse(response, status(400, 'BadRequest', message))
    }
    if (Number(version) > this.#revision) {
      await new Promise((waited) => setTimeout(waited, this.#options.tooLargeMs ?? 10))
      const message = `Timeout: Too large resource version: ${version}, current: ${this.#revision}`
      return refuse(response, {
        ...status(504, 'Timeout', message),
        details: {
          causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
          retryAfterSeconds: 1,
        },
      })
    }
    const all = [...this.#slices.values()].filter(matches)
    const [from, at] = query.continue === undefined ? [0, this.#revision] : token(query.continue)
    if (at < this.#oldest) {
      const message = 'The provided continue parameter is too old to display a consistent list result.'
      return refuse(response, status(410, 'Expired', message))
    }
    // The watch cache answers in one piece, whatever the limit (1.28).
    const limit = version === '' ? Number(query.limit ?? Infinity) : Infinity
    const items = all.slice(from, from + limit)
    const more = from + limit < all.length
    const next = more ? { continue: Buffer.from(JSON.stringify([from + limit, at])).toString('base64') } : {}
    response.setHeader('content-type', 'application/json')
    response.end(
      JSON.stringify({
        kind: 'EndpointSliceList',
        apiVersion: 'discovery.k8s.io/v1',
        metadata: { resourceVersion: String(at), ...next },
        items: items.length === 0 && !more ? null : items,
      }),
    )
  }

  #watch(response: ServerResponse, query: Asked['query']): void {
    const from = Number(query.resourceVersion)
    response.writeHead(200, { 'content-type': 'application/json' })
    response.flushHeaders()
    const watch: Watch = { response, matches: selector(query.labelSelector), deaf: from > this.#revision }
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

function token(text: string): [number, number] {
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
