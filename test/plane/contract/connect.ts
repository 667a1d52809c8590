import { Forwarder, type PlaneName } from '../../helpers/forwarder.ts'
import { Backend, closedPort, dialPeer, echo, silentPort } from '../../helpers/peer.ts'
import type { SceneMaker, Traits } from '../scene.ts'

/** Cases 12 to 14: dials that fail, and what the client notices of them. */
export function connect(scene: SceneMaker, plane: PlaneName, { variant = {} }: Traits): void {
  scene(
    'case 12: a refused endpoint costs the client nothing but the next one answers',
    { onPeer: echo },
    async (t, { backend }) => {
      const dead = await closedPort()
      const forwarder = await Forwarder.start({
        plane,
        ...variant,
        endpoints: [
          { port: dead, priority: 0 },
          { port: backend.port, priority: 1 },
        ],
      })
      const client = await dialPeer(forwarder.port)
      client.end('to whoever lives')
      t.is((await client.readAll()).bytes.toString(), 'to whoever lives')
      const outcome = await forwarder.outcome()
      t.is(outcome.endpoint, `127.0.0.1:${backend.port}`)
      t.deepEqual(
        outcome.attempts.map(({ endpoint, error }) => [endpoint, error]),
        [
          [`127.0.0.1:${dead}`, 'ECONNREFUSED'],
          [`127.0.0.1:${backend.port}`, null],
        ],
      )
      t.is(
        await forwarder.metric(
          `spliceway_upstream_connect_failures_total{pool="main",endpoint="127.0.0.1:${dead}",reason="refused"}`,
        ),
        1,
      )
      await forwarder.close()
    },
  )

  scene(
    'case 12: an endpoint that does not answer the SYN is left after the connect timeout',
    { onPeer: echo },
    async (t, { backend }) => {
      const silent = await silentPort()
      const forwarder = await Forwarder.start({
        plane,
        ...variant,
        endpoints: [
          { port: silent.port, priority: 0 },
          { port: backend.port, priority: 1 },
        ],
        connect: { timeoutMs: 150 },
      })
      const client = await dialPeer(forwarder.port)
      client.end('hello')
      t.is((await client.readAll()).bytes.toString(), 'hello')
      const outcome = await forwarder.outcome()
      t.deepEqual(
        outcome.attempts.map(({ error }) => error),
        ['ETIMEDOUT', null],
      )
      silent.close()
      await forwarder.close()
    },
  )

  scene(
    'case 13: bytes that the client sent early reach the endpoint that answers, once',
    {},
    async (t, { backend }) => {
      const forwarder = await Forwarder.start({
        plane,
        ...variant,
        endpoints: [
          { port: await closedPort(), priority: 0 },
          { port: backend.port, priority: 1 },
        ],
      })
      const client = await dialPeer(forwarder.port)
      client.end('early bytes')
      const server = await backend.accept()
      const { bytes } = await server.readAll()
      t.is(bytes.toString(), 'early bytes')
      t.is(backend.peers.length, 1)
      server.end()
      await client.ended()
      await forwarder.close()
    },
  )

  scene(
    'case 13: a connection that was cut after its first byte is not tried elsewhere',
    {},
    async (t, { backend }) => {
      const second = await Backend.start()
      const forwarder = await Forwarder.start({
        plane,
        ...variant,
        endpoints: [
          { port: backend.port, priority: 0 },
          { port: second.port, priority: 1 },
        ],
      })
      const client = await dialPeer(forwarder.port)
      const server = await backend.accept()
      await server.write('H')
      await client.read(1)
      server.reset()
      t.is(await client.ended(), 'rst')
      await forwarder.outcome()
      t.is(second.peers.length, 0)
      await second.close()
      await forwarder.close()
    },
  )

  scene(
    'case 13: the restart of the only gateway stays unseen',
    { onPeer: echo, connect: { budgetMs: 8_000 } },
    async (t, { forwarder, backend }) => {
      const { port } = backend
      await backend.close()
      const client = await dialPeer(forwarder.port)
      client.end('patience')
      await forwarder.until(() => forwarder.app.status().connections.active === 1)
      const refused = `spliceway_upstream_connect_failures_total{pool="main",endpoint="127.0.0.1:${port}",reason="refused"}`
      while ((await forwarder.metric(refused)) < 2) await new Promise((resolve) => setTimeout(resolve, 5))
      const again = await Backend.start({ port, onPeer: echo })
      t.is((await client.readAll()).bytes.toString(), 'patience')
      const outcome = await forwarder.outcome()
      t.is(outcome.cause, 'none')
      t.true(outcome.attempts.length >= 2)
      await again.close()
    },
  )

  scene(
    'case 14: with all endpoints down the client is closed within the budget, and the log says why',
    {},
    async (t) => {
      const ports = [await closedPort(), await closedPort()]
      const forwarder = await Forwarder.start({
        plane,
        ...variant,
        endpoints: ports,
        connect: { budgetMs: 400 },
      })
      const client = await dialPeer(forwarder.port)
      await client.write('anyone?')
      t.is(await client.ended(), 'rst')
      const outcome = await forwarder.outcome()
      t.is(outcome.cause, 'endpoint-down')
      t.is(outcome.phase, 'connect')
      t.is(outcome.endpoint, null)
      // Another attempt takes up to 3 s, and the budget is 10 s when nothing is said.
      t.true(outcome.durationMs <= 400 + 2_500, `${outcome.durationMs} ms`)
      t.deepEqual(
        [...new Set(outcome.attempts.map(({ endpoint }) => endpoint))].sort(),
        ports.map((port) => `127.0.0.1:${port}`).sort(),
      )
      t.true(outcome.attempts.every(({ error }) => error === 'ECONNREFUSED'))
      await forwarder.close()
    },
  )
}
