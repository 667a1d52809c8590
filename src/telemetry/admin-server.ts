import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { answer, type Door, type Reply } from './admin-routes.ts'
import type { AdminActions, AdminSource } from './admin-source.ts'

/** Probes, a scraper or two and a person need a handful; more is somebody's mistake. */
const maxConnections = 64
/** From connect to the last byte of the request. */
const requestMs = 5_000
/** A client that reads nothing for so long is cut off, so that it cannot keep one of the connections. */
const silentMs = 10_000
/** No request of ours needs more than a few hundred. */
const maxHeaderBytes = 8 * 1024

/** An HTTP server for one of the two doors, not yet listening. A connection serves one request. */
export function adminServer(
  app: AdminSource & AdminActions,
  door: Door,
  failed: (error: unknown, path: string) => void,
): Server {
  const server = createServer({
    headersTimeout: requestMs,
    requestTimeout: requestMs,
    connectionsCheckingInterval: 1_000, // the timeouts above are looked at this often; the default is 30 s
    maxHeaderSize: maxHeaderBytes,
    keepAlive: false,
  })
  server.maxConnections = maxConnections
  server.timeout = silentMs
  server.on('request', (request, response) => {
    request.resume() // a body says nothing to us
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/'
    answer(app, door, request.method ?? 'GET', path).then(
      (reply) => send(request, response, reply),
      (error: unknown) => {
        failed(error, path)
        send(request, response, broken)
      },
    )
  })
  return server
}

const broken: Reply = {
  status: 500,
  contentType: 'text/plain; charset=utf-8',
  body: 'this page failed; the log says why\n',
}

function send(request: IncomingMessage, response: ServerResponse, reply: Reply): void {
  const body = Buffer.from(reply.body)
  response.writeHead(reply.status, {
    'content-type': reply.contentType,
    'content-length': body.length,
    'cache-control': 'no-store',
    connection: 'close',
    ...(reply.allow === undefined ? {} : { allow: reply.allow }),
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}
