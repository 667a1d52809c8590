import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { certificate } from './certificate.ts'

/**
 * A stand-in for an API gateway, run as a process of its own so that it can be killed: HTTP and TLS on free
 * ports.
 */
const name = process.argv[2] ?? 'gateway'

const answer: RequestListener = (request, response) => {
  response.setHeader('connection', 'close') // each curl is a new connection, so each is balanced
  response.end(`hello from ${name} (pid ${process.pid}): ${request.method} ${request.url}\n`)
}

function listen(server: Server): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>()
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    resolve(typeof address === 'object' && address !== null ? address.port : 0)
  })
  return promise
}

const [http, tls] = await Promise.all([
  listen(createServer(answer)),
  listen(createTlsServer(certificate, answer)),
])
process.send?.({ http, tls })
process.on('disconnect', () => process.exit(0)) // never outlives the demo
