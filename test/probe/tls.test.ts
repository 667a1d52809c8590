import type { Server } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'
import test from 'ava'
import { probeTls } from '../../src/probe/tls.ts'
import { probeHeader } from '../../src/protocol/proxy-header.ts'
import { certificate, hasOpenssl } from '../helpers/certificate.ts'
import { closedPort, limits, said, serve, short } from './fixture.ts'

const testWithTls = hasOpenssl ? test : test.skip
if (!hasOpenssl) console.log('openssl is not installed: tests of tls probes are skipped')

interface Gateway {
  readonly tls: Server
  /** The SNI name of the next handshake; false: none. */
  readonly name: Promise<string | false>
}

function gateway(): Gateway {
  const name = Promise.withResolvers<string | false>()
  const tls = createServer(certificate(['gateway.example', 'other.example']), (socket: TLSSocket) => {
    name.resolve((socket as TLSSocket & { servername: string | false }).servername)
    socket.on('error', () => {})
    socket.resume()
  })
  return { tls, name: name.promise }
}

testWithTls('a handshake passes, the server sees the name, and the connection is closed', async (t) => {
  const { tls, name } = gateway()
  const server = await serve(t, () => {}, tls)
  const verdict = await probeTls({ address: server.address, header: null }, 'other.example', limits)
  t.is(said(verdict), 'tls: TLSv1.3 handshake (certificate for gateway.example)')
  t.is(await name, 'other.example')
  await server.idle()
})

for (const serverName of [null, '192.0.2.7']) {
  testWithTls(`with ${serverName ?? 'no name'} to send there is no SNI`, async (t) => {
    const { tls, name } = gateway()
    const server = await serve(t, () => {}, tls)
    t.true((await probeTls({ address: server.address, header: null }, serverName, limits)).ok)
    t.is(await name, false)
  })
}

testWithTls('the PROXY header comes ahead of the handshake', async (t) => {
  const header = probeHeader('v2')
  const { tls } = gateway()
  const seen = Promise.withResolvers<Buffer>()
  const server = await serve(t, (socket) => {
    socket.once('readable', () => {
      seen.resolve(socket.read(header.length))
      tls.emit('connection', socket)
    })
  })
  t.true((await probeTls({ address: server.address, header }, 'gateway.example', limits)).ok)
  t.deepEqual(await seen.promise, Buffer.from(header))
})

testWithTls('a server that rejects the name fails with its alert', async (t) => {
  const tls = createServer({
    ...certificate(['gateway.example']),
    SNICallback: (_, done) => done(new Error('unknown')),
  })
  tls.on('tlsClientError', () => {})
  const server = await serve(t, () => {}, tls)
  const verdict = await probeTls({ address: server.address, header: null }, 'x.example', limits)
  t.regex(said(verdict), /^tls: (connection closed in the handshake|connection reset|.*alert.*)$/)
})

test('a port that does not speak TLS fails and says so', async (t) => {
  const server = await serve(t, (socket) => {
    socket.resume()
    socket.write('220 mail ready\r\n')
  })
  const verdict = await probeTls({ address: server.address, header: null }, null, limits)
  t.is(said(verdict), 'tls: the answer is not TLS')
  await server.idle()
})

test('a server that closes in the handshake fails', async (t) => {
  const server = await serve(t, (socket) => socket.once('data', () => socket.end()))
  const verdict = await probeTls({ address: server.address, header: null }, null, limits)
  t.is(said(verdict), 'tls: connection closed in the handshake')
})

test('a silent server times out in the handshake', async (t) => {
  const server = await serve(t, (socket) => socket.resume())
  const verdict = await probeTls({ address: server.address, header: null }, null, short)
  t.is(said(verdict), 'tls: timeout after 300ms in the handshake')
  await server.idle()
})

test('an endpoint that refuses fails', async (t) => {
  const verdict = await probeTls({ address: await closedPort(), header: null }, null, limits)
  t.is(said(verdict), 'tls: connection refused')
})
