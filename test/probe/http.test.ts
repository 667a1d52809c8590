import { createServer as createHttp, type IncomingMessage, type RequestListener } from 'node:http'
import { createServer as createHttps } from 'node:https'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import test, { type ExecutionContext } from 'ava'
import { type HttpProbe, probeHttp } from '../../src/probe/http.ts'
import { probeHeader } from '../../src/protocol/proxy-header.ts'
import { certificate, hasOpenssl } from '../helpers/certificate.ts'
import { closedPort, limits, said, serve, short, type TestServer } from './fixture.ts'

const plain: HttpProbe = { secure: false, path: '/healthz', status: [200, 204], host: null }
const secure: HttpProbe = { ...plain, secure: true, host: 'gateway.example:8443' }
const testWithTls = hasOpenssl ? test : test.skip
if (!hasOpenssl) console.log('openssl is not installed: tests of https probes are skipped')

function serveHttp(t: ExecutionContext, answer: RequestListener): Promise<TestServer> {
  return serve(t, () => {}, createHttp(answer))
}

test('an expected status passes, and the connection is closed', async (t) => {
  const server = await serveHttp(t, (_, response) => response.end('fine'))
  const verdict = await probeHttp({ address: server.address, header: null }, plain, limits)
  t.true(verdict.ok)
  t.is(said(verdict), 'http: status 200')
  await server.idle()
})

test('another status fails and says which ones pass', async (t) => {
  const server = await serveHttp(t, (_, response) => response.writeHead(503).end('not yet'))
  t.deepEqual(await probeHttp({ address: server.address, header: null }, plain, limits), {
    ok: false,
    reason: 'http: status 503, expected 200 or 204',
    fault: 'endpoint',
  })
  await server.idle()
})

test('a redirect is an answer of its own', async (t) => {
  const server = await serveHttp(t, (_, response) => response.writeHead(302, { location: '/' }).end())
  const verdict = await probeHttp({ address: server.address, header: null }, plain, limits)
  t.is(said(verdict), 'http: status 302, expected 200 or 204')
})

test('the request has the path, the configured host and no second request after it', async (t) => {
  const seen: IncomingMessage[] = []
  const server = await serveHttp(t, (request, response) => {
    seen.push(request)
    response.end()
  })
  await probeHttp({ address: server.address, header: null }, { ...plain, host: 'gw.example' }, limits)
  t.deepEqual(
    seen.map(({ method, url, headers }) => ({
      method,
      url,
      host: headers.host,
      connection: headers.connection,
    })),
    [{ method: 'GET', url: '/healthz', host: 'gw.example', connection: 'close' }],
  )
})

test('without a configured host the address is the host', async (t) => {
  const host = Promise.withResolvers<string | undefined>()
  const server = await serveHttp(t, (request, response) => {
    host.resolve(request.headers.host)
    response.end()
  })
  await probeHttp({ address: server.address, header: null }, plain, limits)
  t.is(await host.promise, `127.0.0.1:${server.address.port}`)
})

test('each probe has a connection of its own', async (t) => {
  const server = await serveHttp(t, (_, response) => response.end())
  for (let i = 0; i < 3; i++) await probeHttp({ address: server.address, header: null }, plain, limits)
  t.is(server.accepted, 3)
})

test('a body without end is read up to its limit and passes', async (t) => {
  let written = 0
  const server = await serveHttp(t, (_, response) => {
    const more = () => {
      while (!response.destroyed) {
        written += 16_384
        if (!response.write(Buffer.alloc(16_384))) return void response.once('drain', more)
      }
    }
    more()
  })
  t.is(said(await probeHttp({ address: server.address, header: null }, plain, limits)), 'http: status 200')
  await server.idle()
  t.true(written < 16 * 2 ** 20, `the server wrote ${written} bytes`)
})

test('an endpoint that refuses fails', async (t) => {
  const verdict = await probeHttp({ address: await closedPort(), header: null }, plain, limits)
  t.is(said(verdict), 'http: connection refused')
})

test('an endpoint that accepts and says nothing times out', async (t) => {
  const server = await serve(t, (socket) => socket.resume())
  const verdict = await probeHttp({ address: server.address, header: null }, plain, short)
  t.is(said(verdict), 'http: timeout after 300ms waiting for the answer')
  await server.idle()
})

test('an endpoint whose body stalls times out', async (t) => {
  const server = await serveHttp(t, (_, response) => void response.write('half of it'))
  const verdict = await probeHttp({ address: server.address, header: null }, plain, short)
  t.is(said(verdict), 'http: timeout after 300ms reading the body')
  await server.idle()
})

test('an endpoint that closes before it answers fails', async (t) => {
  const server = await serve(t, (socket) => socket.once('data', () => socket.end()))
  const verdict = await probeHttp({ address: server.address, header: null }, plain, limits)
  t.is(said(verdict), 'http: connection closed before the end of the answer')
})

test('an endpoint that resets before it answers fails', async (t) => {
  const server = await serve(t, (socket) => socket.once('data', () => socket.resetAndDestroy()))
  const verdict = await probeHttp({ address: server.address, header: null }, plain, limits)
  t.is(said(verdict), 'http: connection reset')
})

test('an endpoint that breaks off in the middle of the body fails', async (t) => {
  const server = await serveHttp(t, (_, response) => {
    response.writeHead(200, { 'content-length': '100' })
    response.write('half', () => response.socket?.end())
  })
  const verdict = await probeHttp({ address: server.address, header: null }, plain, limits)
  t.is(said(verdict), 'http: connection closed before the end of the answer')
})

test('an answer that is not HTTP fails', async (t) => {
  const server = await serve(t, (socket) => socket.once('data', () => socket.end('220 mail ready\r\n')))
  const verdict = await probeHttp({ address: server.address, header: null }, plain, limits)
  t.is(said(verdict), 'http: the answer is not HTTP/1.1')
})

test('an aborted probe closes its connection', async (t) => {
  const controller = new AbortController()
  const server = await serve(t, (socket) => socket.once('data', () => controller.abort()))
  const verdict = await probeHttp({ address: server.address, header: null }, plain, {
    timeoutMs: 60_000,
    signal: controller.signal,
  })
  t.is(said(verdict), 'http: stopped')
  await server.idle()
})

/** Reads `length` bytes off a new connection, then lets `server` have it from there on. */
function afterHeader(socket: Socket, length: number, got: (header: Buffer) => void): void {
  socket.once('readable', () => {
    const header: Buffer | null = socket.read(length)
    if (header === null) return afterHeader(socket, length, got)
    got(header)
  })
}

test('the PROXY header comes ahead of the request', async (t) => {
  const header = probeHeader('v2')
  const http = createHttp((_, response) => response.end())
  const seen = Promise.withResolvers<Buffer>()
  const server = await serve(t, (socket) => {
    afterHeader(socket, header.length, (bytes) => {
      seen.resolve(bytes)
      http.emit('connection', socket)
    })
  })
  t.is(said(await probeHttp({ address: server.address, header }, plain, limits)), 'http: status 200')
  t.deepEqual(await seen.promise, Buffer.from(header))
})

testWithTls(
  'a secure probe sends the name of its host without the port as SNI, and any certificate does',
  async (t) => {
    const name = Promise.withResolvers<string | undefined>()
    const https = createHttps(certificate(['other.example']), (request, response) => {
      name.resolve((request.socket as TLSSocket & { servername?: string }).servername)
      response.end()
    })
    const server = await serve(t, () => {}, https)
    t.is(
      said(await probeHttp({ address: server.address, header: null }, secure, limits)),
      'https: status 200',
    )
    t.is(await name.promise, 'gateway.example')
    await server.idle()
  },
)

testWithTls('the PROXY header comes ahead of the handshake of a secure probe', async (t) => {
  const header = probeHeader('v1')
  const https = createHttps(certificate(['gateway.example']), (_, response) => response.end())
  t.teardown(() => https.closeAllConnections())
  const server = await serve(t, (socket) => {
    afterHeader(socket, header.length, () => https.emit('connection', socket))
  })
  t.is(said(await probeHttp({ address: server.address, header }, secure, limits)), 'https: status 200')
})

test('a secure probe of a plain port says so', async (t) => {
  const server = await serve(t, (socket) =>
    socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
  )
  const verdict = await probeHttp({ address: server.address, header: null }, secure, limits)
  t.is(said(verdict), 'https: the answer is not TLS')
})
