import { Forwarder, type PlaneName } from '../../helpers/forwarder.ts'
import { Backend, closedPort, dialPeer, echo } from '../../helpers/peer.ts'
import type { SceneMaker, Traits } from '../scene.ts'

/** Case 16: which endpoints are in use. */
export function health(scene: SceneMaker, plane: PlaneName, { variant = {} }: Traits): void {
  scene(
    'case 16: an endpoint that refuses is ejected after the configured failures and gets no more connections',
    { onPeer: echo },
    async (t, { backend }) => {
      const dead = await closedPort()
      const forwarder = await Forwarder.start({
        plane,
        ...variant,
        endpoints: [dead, backend.port],
        pool: { outlier: { consecutiveFailures: 2, baseEjectionMs: 60_000, maxEjectionMs: 60_000 } },
      })
      const talk = async () => {
        const client = await dialPeer(forwarder.port)
        client.end('x')
        t.is((await client.readAll()).bytes.toString(), 'x')
        return forwarder.outcome()
      }
      for (let i = 0; i < 6; i++) await talk()
      await forwarder.line(new RegExp(`127.0.0.1:${dead} is ejected`))
      const failures = () =>
        forwarder.metric(
          `spliceway_upstream_connect_failures_total{pool="main",endpoint="127.0.0.1:${dead}",reason="refused"}`,
        )
      const before = await failures()
      for (let i = 0; i < 6; i++) t.is((await talk()).attempts.length, 1)
      t.is(await failures(), before)
      t.is(await forwarder.metric(`spliceway_endpoint_up{pool="main",endpoint="127.0.0.1:${dead}"}`), 0)
      await forwarder.close()
    },
  )

  scene(
    'case 16: an endpoint that probes call down is not used, and is used again when they call it up',
    {},
    async (t, { backend }) => {
      const { port } = backend
      const probe = { kind: 'tcp', port: null, close: 'fin' } as const
      const second = await Backend.start({ onPeer: echo })
      await backend.close()
      const forwarder = await Forwarder.start({
        plane,
        ...variant,
        endpoints: [
          { port, priority: 0 },
          { port: second.port, priority: 1 },
        ],
        pool: { health: { probe, intervalMs: 60, fastIntervalMs: 60, timeoutMs: 500, fall: 2, rise: 2 } },
        probe: true,
      })
      await forwarder.line(new RegExp(`127.0.0.1:${port} is down: tcp: connection refused`))
      const client = await dialPeer(forwarder.port)
      client.end('y')
      await client.readAll()
      t.deepEqual(
        (await forwarder.outcome()).attempts.map(({ endpoint }) => endpoint),
        [`127.0.0.1:${second.port}`],
      )
      const again = await Backend.start({ port, onPeer: echo })
      await forwarder.line(new RegExp(`127.0.0.1:${port} is up: `))
      const later = await dialPeer(forwarder.port)
      later.end('z')
      await later.readAll()
      t.is((await forwarder.outcome()).endpoint, `127.0.0.1:${port}`)
      await again.close()
      await second.close()
      await forwarder.close()
    },
  )

  scene('case 16: in panic all endpoints are tried, visibly', {}, async (t, { backend }) => {
    const probe = { kind: 'http', port: null, secure: false, path: '/', status: [200], host: null } as const
    const forwarder = await Forwarder.start({
      plane,
      ...variant,
      endpoints: [backend.port],
      pool: { health: { probe, intervalMs: 60, fastIntervalMs: 60, timeoutMs: 50, fall: 1, rise: 1 } },
      probe: true,
    })
    await forwarder.line(/no endpoint up: all are tried \(panic\)/)
    t.true(forwarder.app.status().pools[0]?.panic)
    const client = await dialPeer(forwarder.port)
    await client.write('hello')
    await forwarder.until(() => forwarder.app.status().pools[0]?.endpoints[0]?.active === 1)
    client.reset()
    await forwarder.close()
  })
}
