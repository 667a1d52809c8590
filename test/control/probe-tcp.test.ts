import { text } from 'node:stream/consumers'
import test from 'ava'
import { probeTcp } from '../../src/control/probe-tcp.ts'
import { probeHeader } from '../../src/protocol/proxy-header.ts'
import { closedPort, limits, said, serve } from './probe-fixture.ts'

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
