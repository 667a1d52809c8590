import { logLevels } from '../core/log.ts'
import { readConnectionQuery } from './connection-query.ts'

import { isMeantForUs } from './host-header.ts'
import type { AdminPages, Page } from './pages.ts'
import type { AdminActions, AdminSource, Answer, Readiness } from './source.ts'

export interface Reply {
  readonly status: number
  readonly contentType: string
  /** Parts: sent as they are made; what breaks off is not whole JSON. */
  readonly body: string | Buffer | AsyncIterable<string>
  /** Set with status 405: the methods that would do. */
  readonly allow?: string
  /** It is told while it happens, which may take a minute, and goes on when the listener closes. */
  readonly lasting?: true
  /** Further ones, for whom this reply says more about itself. */
  readonly headers?: Readonly<Record<string, string>>
}

/** Where a request came in: everything that changes something goes over the UNIX socket. */
export type Via = 'tcp' | 'socket'

export interface Asked {
  readonly via: Via
  readonly method: string
  /** Without a query. */
  readonly path: string
  /** What follows the question mark. */
  readonly query?: string
  /** The Host header. */
  readonly host: string | undefined
}

const text = 'text/plain; charset=utf-8'
const json = 'application/json; charset=utf-8'

const index = `spliceway admin
GET  /livez     200 while the main loop and every worker show signs of life, else 503 and why
GET  /readyz    200 while new connections are welcome, else 503 and why
GET  /metrics   for Prometheus
GET  /status    JSON, what "spliceway status" shows
GET  /          over TCP, a page for people; /overview is what it shows
Over the UNIX socket only:
GET  /connections       ?listener= &pool= &endpoint= &client=CIDR &olderMs= &idleMs=
GET  /connections/{id}
POST /connections/{id}/kill
GET  /config    JSON, what "spliceway config" shows
POST /reload
POST /drain
POST /upgrade   starts the installed version in place of this one; answers line by line
POST /log?level=debug|info|warn|error
POST /endpoints/{pool}/{endpoint}/drain
POST /endpoints/{pool}/{endpoint}/ready
`

type Handler = () => Reply | Promise<Reply>
interface Route {
  readonly method: 'GET' | 'POST'
  readonly handle: Handler
}

/** Balancers' checks ask these with whatever Host they are set to; they tell nobody anything. */
const openToAll: readonly string[] = ['/livez', '/readyz']
/** They tell more than every local user may know. */
const onlyForOwner: readonly string[] = ['/config']

/** Answers one admin request. `turn` is awaited before a large page is made. Rejects only when `app` does. */
export async function answer(
  app: AdminSource & AdminActions,
  pages: AdminPages,
  { via, method, path, query = '', host }: Asked,
  turn: () => Promise<void>,
): Promise<Reply> {
  const reading = method === 'GET' || method === 'HEAD'
  if (via === 'tcp' && !reading) {
    const body = 'this page only shows; changes go over the UNIX socket, for example "spliceway reload"\n'
    return { status: 405, contentType: text, body, allow: 'GET, HEAD' }
  }
  if (via === 'tcp' && !openToAll.includes(path) && !isMeantForUs(host, app.hosts())) {
    const body = 'this page answers to addresses, localhost, and the names in admin.hosts\n'
    return { status: 421, contentType: text, body }
  }
  if (via === 'tcp' && (path === '/connections' || path.startsWith('/connections/'))) {
    const body = 'single connections are shown over the UNIX socket only: "spliceway connections"\n'
    return { status: 403, contentType: text, body }
  }
  if (via === 'tcp' && onlyForOwner.includes(path)) {
    return { status: 403, contentType: text, body: 'this page is only there over the UNIX socket\n' }
  }
  const route = connectionRoute(app, path, query) ?? find(app, pages, turn, via, path, query)
  if (route === undefined) {
    return { status: 404, contentType: text, body: 'not found; / lists what is here\n' }
  }
  if (route.method === 'GET' && !reading) return notAllowed('GET, HEAD')
  if (route.method === 'POST' && method !== 'POST') return notAllowed('POST')
  return route.handle()
}

function find(
  app: AdminSource & AdminActions,
  pages: AdminPages,
  turn: () => Promise<void>,
  via: Via,
  path: string,
  query: string,
): Route | undefined {
  const get = (handle: Handler): Route => ({ method: 'GET', handle })
  const post = (handle: Handler): Route => ({ method: 'POST', handle })
  const large = (make: () => Promise<Page>): Route =>
    get(async () => {
      await turn()
      return { status: 200, ...(await make()) }
    })
  switch (path) {
    case '/':
      // Nobody's browser opens the UNIX socket.
      if (via === 'tcp') return large(pages.page)
      return get(() => ({ status: 200, contentType: text, body: index }))
    case '/livez':
      return get(() => verdict(app.live()))
    case '/readyz':
      return get(() => verdict(app.ready()))
    case '/metrics':
      return large(pages.metrics)
    case '/status':
      return large(pages.status)
    case '/overview':
      return via === 'tcp' ? large(pages.overview) : undefined
    case '/config':
      return get(() => ({ status: 200, contentType: json, body: `${JSON.stringify(app.config())}\n` }))
    case '/log':
      return post(() => logLevel(app, query))
    case '/reload':
      return post(async () => answered(await app.reload(), 422))
    case '/drain':
      return post(() => answered(app.drain(), 409))
    case '/upgrade':
      return post(() => upgrade(app))
  }
  const target = endpointTarget(path)
  if (target === undefined) return undefined
  return post(() => answered(app.endpoint(target.pool, target.endpoint, target.action), 404))
}

function connectionRoute(app: AdminSource & AdminActions, path: string, query: string): Route | undefined {
  if (path === '/connections') return { method: 'GET', handle: () => connections(app, query) }
  const [, part, action] = /^\/connections\/([^/]+)(\/kill)?$/.exec(path) ?? []
  const id = decoded(part)
  if (id === undefined) return undefined
  if (action !== undefined) return { method: 'POST', handle: async () => answered(await app.kill(id), 404) }
  return {
    method: 'GET',
    async handle() {
      const body = await app.explain(id)
      if (body !== null) return { status: 200, contentType: json, body: `${body}\n` }
      return { status: 404, contentType: text, body: 'there is no such connection: it may have ended\n' }
    },
  }
}

function connections(app: AdminSource, query: string): Reply {
  const filter = readConnectionQuery(query)
  if (typeof filter === 'string') return { status: 400, contentType: text, body: `${filter}\n` }
  return { status: 200, contentType: json, body: app.connections(filter) }
}

function upgrade(app: AdminActions): Reply {
  const begun = app.upgrade()
  return 'ok' in begun
    ? answered(begun, 409)
    : { status: 200, contentType: 'application/x-ndjson; charset=utf-8', body: begun, lasting: true }
}

function logLevel(app: AdminActions, query: string): Reply {
  const asked = new URLSearchParams(query).get('level')
  const level = logLevels.find((each) => each === asked)
  if (level !== undefined) return answered(app.logLevel(level), 409)
  const message = `no log level \`${asked ?? ''}\`; there are: ${logLevels.join(', ')}`
  return answered({ ok: false, message }, 400)
}

function endpointTarget(path: string) {
  const parts = /^\/endpoints\/([^/]+)\/([^/]+)\/(drain|ready)$/.exec(path)
  if (parts === null) return undefined
  const pool = decoded(parts[1])
  const endpoint = decoded(parts[2])
  if (pool === undefined || endpoint === undefined) return undefined
  return { pool, endpoint, action: parts[3] === 'drain' ? ('drain' as const) : ('ready' as const) }
}

function decoded(part: string | undefined): string | undefined {
  try {
    return part === undefined ? undefined : decodeURIComponent(part)
  } catch {
    return undefined // a percent sign that starts nothing
  }
}

function verdict({ ok, reasons }: Readiness): Reply {
  return {
    status: ok ? 200 : 503,
    contentType: text,
    body: `${[...(ok ? ['ok'] : []), ...reasons].join('\n')}\n`,
  }
}

function answered(result: Answer, failure: number): Reply {
  const { ok, message, warning } = result
  const body = `${JSON.stringify({ ok, message, warning })}\n`
  return { status: ok ? 200 : failure, contentType: json, body }
}

function notAllowed(allow: string): Reply {
  return { status: 405, contentType: text, body: `only ${allow} here\n`, allow }
}
