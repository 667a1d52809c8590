import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { text } from 'node:stream/consumers'
import test from 'ava'
import { socketAddress } from '../../src/core/address.ts'
import { holdAckBy } from '../../src/host.ts'
import { loadLibc } from '../../src/linux/load-libc.ts'
import { probeTcp, probeTcpUnseen } from '../../src/probe/tcp.ts'
import { probeHeader } from '../../src/protocol/proxy-header.ts'
import { openDescriptors } from '../helpers/forwarder.ts'
import { closedPort, limits, said, serve } from './fixture.ts'

test('an endpoint that accepts passes, and the connection is closed', async (t) => {
  const server = await serve(t, (socket) => socket.resume())
  const verdict = await probeTcp({ address: server.address, header: null }, limits)
  t.true(verdict.ok)
  t.is(said(verdict), 'tcp: connected')
  await server.idle()
  t.pass()
})

test('an endpoint that speaks first passes too', async (t) => {
  const server = await serve(t, (socket) => void socket.write('220 ready\r\n'))
  t.is(said(await probeTcp({ address: server.address, header: null }, limits)), 'tcp: connected')
})

test('an endpoint that resets a connection without a request passes: it did accept it', async (t) => {
  const server = await serve(t, (socket) => socket.once('data', () => socket.resetAndDestroy()))
  const header = probeHeader('v2')
  t.is(said(await probeTcp({ address: server.address, header }, limits)), 'tcp: connected')
})

test('an endpoint that refuses fails by its own fault', async (t) => {
  const verdict = await probeTcp({ address: await closedPort(), header: null }, limits)
  t.deepEqual(verdict, { ok: false, reason: 'tcp: connection refused', fault: 'endpoint' })
})

test('a probe sends the PROXY header and nothing else', async (t) => {
  const header = probeHeader('v1')
  const received = Promise.withResolvers<string>()
  const server = await serve(t, (socket) => text(socket).then(received.resolve, received.reject))
  t.is(said(await probeTcp({ address: server.address, header }, limits)), 'tcp: connected')
  t.is(await received.promise, Buffer.from(header).toString())
})

test('an aborted probe ends at once with a verdict that blames nobody', async (t) => {
  const server = await serve(t, () => {})
  const controller = new AbortController()
  controller.abort()
  const verdict = await probeTcp(
    { address: server.address, header: null },
    { timeoutMs: 60_000, signal: controller.signal },
  )
  t.deepEqual(verdict, { ok: false, reason: 'tcp: stopped', fault: 'local' })
})

const holdAck = holdAckBy(loadLibc())

if (holdAck === null) test.skip('close: reset needs koffi to hold the handshake back', () => {})
else {
  test('a probe that ends with a reset passes, and the endpoint is told of no connection', async (t) => {
    const last = Promise.withResolvers<void>()
    const server = await serve(t, (socket) => socket.once('data', () => last.resolve()))
    // The kernel holds the handshake back for 200 ms (TCP_DELACK_MAX): who stands still longer in a probe is seen.
    let unseen = 0
    let slow = 0
    while (unseen < 20) {
      const startMs = performance.now()
      t.is(said(await probeTcpUnseen(server.address, holdAck, limits)), 'tcp: connected')
      if (performance.now() - startMs < 150) unseen++
      else slow++
    }
    // The queue of accept(2) is in order: what came before this one would have been told of by now.
    connect({ host: '127.0.0.1', port: server.address.port }).end('last')
    await last.promise
    t.true(server.accepted >= 1 && server.accepted <= 1 + slow, `${server.accepted}, ${slow} were slow`)
  })

  test('so does one over IPv6', async (t) => {
    const server = createServer()
    server.listen(0, '::1')
    await once(server, 'listening')
    t.teardown(() => server.close())
    const address = socketAddress('::1', (server.address() as AddressInfo).port)
    if (address === undefined) throw new Error('unreachable')
    t.is(said(await probeTcpUnseen(address, holdAck, limits)), 'tcp: connected')
  })

  test('neither its socket nor its port is left behind, whether it passed or not', async (t) => {
    const server = await serve(t, () => {})
    const closed = await closedPort()
    const before = openDescriptors()
    for (let count = 0; count < 20; count++) {
      await probeTcpUnseen(server.address, holdAck, limits)
      await probeTcpUnseen(closed, holdAck, limits)
    }
    await new Promise((resolve) => setImmediate(resolve)) // libuv closes at the end of a turn
    t.true(openDescriptors() <= before)
  })
}

test('without a way to hold the handshake back the endpoint sees a reset', async (t) => {
  const seen = Promise.withResolvers<string>()
  const server = await serve(t, (socket) => {
    socket.on('error', (error) => seen.resolve(error.message)).resume()
  })
  t.is(said(await probeTcpUnseen(server.address, null, limits)), 'tcp: connected')
  t.regex(await seen.promise, /ECONNRESET/)
})

test('a probe that ends with a reset fails by the fault of an endpoint that refuses', async (t) => {
  const verdict = await probeTcpUnseen(await closedPort(), holdAck, limits)
  t.deepEqual(verdict, { ok: false, reason: 'tcp: connection refused', fault: 'endpoint' })
})
