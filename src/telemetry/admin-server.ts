import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { boundConnections } from './admin-connections.ts'
import { freshPages, sharedPages } from './admin-pages.ts'
import { answer, type Door, type Reply } from './admin-routes.ts'
import type { AdminActions, AdminSource } from './admin-source.ts'
import { Turns } from './turns.ts'

/** From connect to the last byte of the request. */
const requestMs = 5_000
/** A client that reads nothing for so long is cut off. */
const silentMs = 10_000
/** The same while it holds one of the turns at a large page, which others wait for. */
const writerSilentMs = 1_000
/** What a turn lasts at most: Prometheus gives up after 10 s by default. */
const turnMs = 10_000
/** Two collectors are usual where one is being replaced. What the others wait for is not in memory yet. */
const writers = 2
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
    requireHostHeader: false, // balancers' checks come without one; host-header.ts says why that is harmless
  })
  server.timeout = silentMs
  boundConnections(server)
  // Its owner alone uses the UNIX socket, and wants to see what his last command has done.
  const pages = door === 'tcp' ? sharedPages(app, () => performance.now()) : freshPages(app)
  const turns = new Turns(writers)
  server.on('request', (request, response) => {
    request.resume() // a body says nothing to us
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/'
    const asked = { door, method: request.method ?? 'GET', path, host: request.headers.host }
    answer(app, pages, asked, () => turnOf(response, turns)).then(
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

/** Resolves when this answer may be made. Its turn ends with it, or when its client does not read. */
async function turnOf(response: ServerResponse, turns: Turns): Promise<void> {
  await turns.take()
  if (response.closed || response.destroyed || response.socket?.destroyed !== false) {
    turns.leave()
    return
  }
  const { socket } = response
  socket.setTimeout(writerSilentMs)
  const limit = setTimeout(() => socket.destroy(), turnMs)
  limit.unref()
  response.once('close', () => {
    clearTimeout(limit)
    turns.leave()
  })
}

function send(request: IncomingMessage, response: ServerResponse, reply: Reply): void {
  if (response.destroyed) return
  const body = typeof reply.body === 'string' ? Buffer.from(reply.body) : reply.body
  response.writeHead(reply.status, {
    'content-type': reply.contentType,
    'content-length': body.length,
    'cache-control': 'no-store',
    connection: 'close',
    ...(reply.allow === undefined ? {} : { allow: reply.allow }),
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}
