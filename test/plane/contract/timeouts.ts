import { Forwarder, type PlaneName, usualListener, usualTimeouts } from '../../helpers/forwarder.ts'
import { dialPeer, echo, silentPort } from '../../helpers/peer.ts'
import { MiB } from '../payload.ts'
import type { SceneMaker, Traits } from '../scene.ts'
import { tcpRow } from '../socket.ts'

/** Cases 11 and 41: how long silence may last, and a life. */
export function timeouts(scene: SceneMaker, plane: PlaneName, { variant = {} }: Traits): void {
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

  scene(
    'case 41: a connection in use ends by FIN when its life is over, a tenth earlier at most',
    { timeouts: { sessionMs: 400 } },
    async (t, { pair, forwarder }) => {
      const { client, server } = await pair()
      const chatter = setInterval(() => client.socket.write('.'), 20)
      t.is(await client.ended(), 'fin')
      t.is(await server.ended(), 'fin')
      clearInterval(chatter)
      client.end()
      server.end()
      const outcome = await forwarder.outcome()
      t.is(outcome.cause, 'proxy')
      t.deepEqual(outcome.closed, { first: 'proxy', how: 'timeout' })
      t.true(outcome.durationMs >= 360)
      t.true(outcome.bytesUp > 0)
    },
  )

  scene(
    'case 41: what is left `halfClose` after the end of its life is reset, however much it sends',
    { timeouts: { sessionMs: 100, halfCloseMs: 200 } },
    async (t, { pair, forwarder }) => {
      const { client, server } = await pair()
      const reset = new Promise((resolve) => server.socket.once('error', resolve))
      const chatter = setInterval(() => {
        client.socket.write('.')
        server.socket.write('.')
      }, 20)
      const outcome = await forwarder.outcome()
      await reset
      clearInterval(chatter)
      t.is(outcome.cause, 'proxy')
      t.deepEqual(outcome.closed, { first: 'proxy', how: 'timeout' })
      t.true(outcome.durationMs >= 290)
    },
  )

  scene('case 41: a dial, too, ends with the life of its connection', {}, async (t) => {
    const silent = await silentPort()
    const forwarder = await Forwarder.start({
      plane,
      ...variant,
      endpoints: [silent.port],
      timeouts: { sessionMs: 150 },
    })
    const client = await dialPeer(forwarder.port)
    t.is(await client.ended(), 'rst')
    const { cause, phase, closed, endpoint } = await forwarder.outcome()
    t.deepEqual([cause, phase, endpoint], ['proxy', 'connect', null])
    t.deepEqual(closed, { first: 'proxy', how: 'timeout' })
    silent.close()
    await forwarder.close()
  })

  scene(
    'case 41: a reset by the client is its own, whatever life was left',
    { timeouts: { sessionMs: 60_000 } },
    async (t, { pair, forwarder }) => {
      const { client } = await pair()
      client.reset()
      t.is((await forwarder.outcome()).cause, 'client')
    },
  )

  scene('case 41: each listener has its own limits', { onPeer: echo }, async (t, { backend }) => {
    const forwarder = await Forwarder.start({
      plane,
      ...variant,
      endpoints: [backend.port],
      config: {
        listeners: [
          { ...usualListener, name: 'main', timeouts: usualTimeouts },
          { ...usualListener, name: 'short', timeouts: { ...usualTimeouts, idleMs: 150 } },
        ],
      },
    })
    const [lasting, short] = [await dialPeer(forwarder.port), await dialPeer(forwarder.portOf('short'))]
    const outcome = await forwarder.outcome()
    t.is(outcome.listener, 'short')
    t.is(outcome.closed.how, 'timeout')
    t.is(await short.ended(), 'rst')
    await lasting.write('still here')
    t.is((await lasting.read(10)).toString(), 'still here')
    lasting.reset()
    await forwarder.outcome()
    await forwarder.close()
  })
}

/** Of the column `tr` of /proc/net/tcp. */
const keepaliveTimer = 2
