import { MiB } from '../payload.ts'
import type { SceneMaker } from '../scene.ts'
import { tcpRow } from '../socket.ts'

/** Case 11: how long silence may last. */
export function timeouts(scene: SceneMaker): void {
  scene(
    'case 11: silence after one side has ended ends the connection',
    { timeouts: { halfCloseMs: 150 } },
    async (t, { pair, forwarder }) => {
      const { client, server } = await pair()
      client.end('request')
      await server.readAll()
      const outcome = await forwarder.outcome()
      t.is(outcome.cause, 'server-timeout')
      t.is(outcome.phase, 'half-closed')
      t.is(outcome.closed.first, 'client')
      t.true(outcome.durationMs >= 150)
      t.is(await client.ended(), 'rst')
    },
  )

  scene(
    'case 11: data refreshes the half-close timeout',
    { timeouts: { halfCloseMs: 1_000 } },
    async (t, { pair, forwarder }) => {
      const { client, server } = await pair()
      client.end()
      await server.readAll()
      const began = performance.now()
      while (performance.now() - began < 1_300) {
        await server.write('.')
        await client.read(1)
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      server.end()
      t.is(await client.ended(), 'fin')
      t.is((await forwarder.outcome()).cause, 'none')
    },
  )

  scene(
    'case 11: a silent connection ends after idle',
    { timeouts: { idleMs: 500 } },
    async (t, { pair, forwarder }) => {
      const { client, server } = await pair()
      await client.write('hello')
      await server.read(5)
      const outcome = await forwarder.outcome()
      t.is(outcome.cause, 'client-timeout')
      t.deepEqual(outcome.closed, { first: 'client', how: 'timeout' })
      t.true(outcome.durationMs >= 500)
      t.is(await client.ended(), 'rst')
      t.is(await server.ended(), 'rst')
    },
  )

  scene(
    'case 11: idle ends a connection whose bytes nobody takes',
    { timeouts: { idleMs: 200 } },
    async (t, { pair, forwarder }) => {
      const { client, server } = await pair()
      client.socket.pause()
      server.end(Buffer.alloc(32 * MiB))
      const outcome = await forwarder.outcome()
      t.is(outcome.cause, 'client-timeout')
    },
  )

  scene(
    'case 11: stall ends a connection whose buffered bytes do not move though the other direction does',
    { timeouts: { stallMs: 250 } },
    async (t, { pair, forwarder }) => {
      const { client, server } = await pair()
      await client.write('.')
      await server.read(1)
      client.socket.pause()
      server.socket.on('error', () => {})
      void server.write(Buffer.alloc(32 * MiB)).catch(() => {})
      const chatter = setInterval(() => client.socket.write('.'), 50)
      const outcome = await forwarder.outcome()
      clearInterval(chatter)
      t.is(outcome.cause, 'client-timeout')
      t.is(outcome.closed.how, 'timeout')
      t.true(outcome.bytesUp > 0)
    },
  )

  scene(
    'case 11: keepalive runs on both sides of a connection that lasts',
    { timeouts: { keepalive: { idleMs: 1_000, intervalMs: 1_000, count: 2 } } },
    async (t, { forwarder, backend, pair }) => {
      const { client } = await pair()
      const downstream = (local: number, remote: number) => tcpRow(local, remote)?.timer === keepaliveTimer
      await forwarder.until(() => downstream(forwarder.port, client.socket.localPort ?? 0))
      const upstream = backend.peers[0]?.socket.remotePort ?? 0
      await forwarder.until(() => downstream(upstream, backend.port))
      t.pass()
    },
  )
}

/** Of the column `tr` of /proc/net/tcp. */
const keepaliveTimer = 2
