import type { ExecutionContext } from 'ava'
import { parseSources } from '../../../src/core/source-address.ts'
import { Forwarder, type PlaneName } from '../../helpers/forwarder.ts'
import { Backend, dialPeer, turnedAway } from '../../helpers/peer.ts'
import type { SceneMaker, Traits } from '../scene.ts'

/** Case 15: what this host lacks is nobody else's fault, and every limit says so. */
export function limits(scene: SceneMaker, plane: PlaneName, { accepting, variant = {} }: Traits): void {
  scene(
    'case 15: a source address that this host has not ejects nobody and is counted',
    {},
    async (t, { backend }) => {
      const forwarder = await Forwarder.start({
        plane,
        ...variant,
        endpoints: [backend.port],
        connect: { source: parseSources(['192.0.2.1']), budgetMs: 300 },
      })
      const client = await dialPeer(forwarder.port)
      await client.ended()
      const outcome = await forwarder.outcome()
      t.is(outcome.cause, 'resource')
      t.true(outcome.attempts.every(({ error }) => error === 'EADDRNOTAVAIL'))
      const endpoint = `127.0.0.1:${backend.port}`
      t.true(
        (await forwarder.metric(
          `spliceway_local_ports_exhausted_total{pool="main",endpoint="${endpoint}"}`,
        )) >= 1,
      )
      t.is(forwarder.app.status().pools[0]?.endpoints[0]?.state, 'unknown')
      const { message } = await forwarder.line(/no local port is free/)
      t.regex(message, /ip_local_port_range/)
      await forwarder.close()
    },
  )

  scene('case 15: the next source address is tried before the next endpoint', {}, async (t, { backend }) => {
    const forwarder = await Forwarder.start({
      plane,
      ...variant,
      endpoints: [backend.port],
      connect: { source: parseSources(['192.0.2.1', '127.0.0.9']) },
    })
    const client = await dialPeer(forwarder.port)
    const server = await backend.accept()
    t.is(server.socket.remoteAddress, '127.0.0.9')
    client.end()
    server.end()
    await client.ended()
    await forwarder.close()
  })

  // At a limit a plane either resets the excess or leaves it in the kernel's backlog.
  const excess = accepting === 'pauses' ? 'waits in the backlog' : 'is reset and counted'
  const atLimit = async (t: ExecutionContext, forwarder: Forwarder, reason: string): Promise<void> => {
    if (accepting === 'pauses') {
      const waiting = await dialPeer(forwarder.port)
      await forwarder.line(/connection limit is reached: new connections wait/)
      t.is(waiting.ending, null)
      t.is(forwarder.app.status().connections.active, forwarder.app.status().listeners[0]?.accepted ?? -1)
      waiting.reset()
      return
    }
    for (let i = 0; i < 3; i++) t.is(await turnedAway(forwarder.port), 'rst')
    t.is(
      await forwarder.metric(`spliceway_connections_rejected_total{listener="main",reason="${reason}"}`),
      3,
    )
    await forwarder.line(/connection limit is reached: new connections are reset/)
  }

  scene(
    `case 15: at the limit of the program the excess ${excess}, it is said once, and it recovers by itself`,
    { config: { limits: { connections: 2 } } },
    async (t, { forwarder, backend, pair }) => {
      const first = await pair()
      await pair()
      await atLimit(t, forwarder, 'limit')
      first.client.reset()
      await forwarder.outcome()
      const again = await dialPeer(forwarder.port)
      for (;;) {
        const server = await backend.accept()
        await again.write('in')
        // The connection that waited and was reset meanwhile may have come first.
        if ((await server.read(2).catch(() => null))?.toString() === 'in') break
      }
      again.reset()
      t.is(forwarder.lines.filter(({ message }) => /connection limit is reached/.test(message)).length, 1)
    },
  )

  scene(
    `case 15: at the limit of a listener the excess ${excess}`,
    { maxConnections: 1 },
    async (t, { forwarder, pair }) => {
      await pair()
      await atLimit(t, forwarder, 'listener-limit')
    },
  )

  scene('case 15: an endpoint at its limit is passed over', {}, async (t, { backend }) => {
    const second = await Backend.start()
    const forwarder = await Forwarder.start({
      plane,
      ...variant,
      endpoints: [
        { port: backend.port, priority: 0, maxConnections: 1 },
        { port: second.port, priority: 1 },
      ],
    })
    const clients = [await dialPeer(forwarder.port)]
    await backend.accept()
    clients.push(await dialPeer(forwarder.port))
    await second.accept()
    t.is(backend.peers.length, 1)
    for (const client of clients) client.reset()
    await second.close()
    await forwarder.close()
  })

  scene(
    'case 15: where every endpoint is at its limit, a client waits for a place',
    { connect: { budgetMs: 5_000 } },
    async (t, { backend }) => {
      const forwarder = await Forwarder.start({
        plane,
        ...variant,
        endpoints: [{ port: backend.port, maxConnections: 1 }],
      })
      const first = await dialPeer(forwarder.port)
      await backend.accept()
      const second = await dialPeer(forwarder.port)
      await forwarder.until(() => forwarder.app.status().connections.active === 2)
      first.reset()
      await backend.accept()
      t.is(backend.peers.length, 2)
      second.reset()
      await forwarder.close()
    },
  )

  scene('case 15: a client that finds no place within the budget was queued', {}, async (t, { backend }) => {
    const forwarder = await Forwarder.start({
      plane,
      ...variant,
      endpoints: [{ port: backend.port, maxConnections: 1 }],
      connect: { budgetMs: 250 },
    })
    const first = await dialPeer(forwarder.port)
    await backend.accept()
    const second = await dialPeer(forwarder.port)
    t.is(await second.ended(), 'rst')
    const outcome = await forwarder.outcome()
    t.is(outcome.cause, 'resource')
    t.is(outcome.phase, 'queue')
    first.reset()
    await forwarder.close()
  })
}
