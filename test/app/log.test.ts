import test, { type ExecutionContext } from 'ava'
import type { Config } from '../../src/config/config.ts'
import { Forwarder, type PlaneName } from '../helpers/forwarder.ts'
import { Backend, closedPort, dialPeer } from '../helpers/peer.ts'

async function scene(t: ExecutionContext, plane: PlaneName, log: Partial<Config['log']>, port?: number) {
  const backend = await Backend.start()
  const whole = { level: 'info', access: 'all', connect: false, empty: true, ...log } as const
  const forwarder = await Forwarder.start({
    plane,
    endpoints: [port ?? backend.port],
    connect: { budgetMs: 300 },
    config: { log: whole },
  })
  t.teardown(async () => {
    await backend.close()
    await forwarder.close()
  })
  return { backend, forwarder }
}

for (const plane of ['splice', 'net'] as const) {
  test(`${plane}: log.connect: a connection is told of while it lasts, and again when it ends`, async (t) => {
    const { backend, forwarder } = await scene(t, plane, { connect: true })
    const client = await dialPeer(forwarder.port)
    const server = await backend.accept()
    await forwarder.until(() => forwarder.connects.length === 1)
    t.is(forwarder.outcomes.length, 0)
    const [told] = forwarder.connects
    const endpoint = `127.0.0.1:${backend.port}`
    t.like(told, {
      listener: 'main',
      client: `127.0.0.1:${client.socket.localPort}`,
      pool: 'main',
      endpoint,
      attempts: [{ endpoint, error: null }],
    })
    t.true((told?.connectMs ?? -1) >= 0)
    client.end()
    server.end()
    t.is((await forwarder.outcome()).id, told?.id ?? '')
    t.is(forwarder.connects.length, 1)
  })

  test(`${plane}: log.connect: also where no ends are logged`, async (t) => {
    const { backend, forwarder } = await scene(t, plane, { connect: true, access: 'none' })
    const client = await dialPeer(forwarder.port)
    const server = await backend.accept()
    client.end()
    server.end()
    await forwarder.until(() => forwarder.connects.length === 1)
    t.is(forwarder.outcomes.length, 0)
  })

  test(`${plane}: log.empty: off leaves out who carried nothing, and nobody else`, async (t) => {
    const { backend, forwarder } = await scene(t, plane, { empty: false })
    for (const bytes of ['', 'one byte is enough']) {
      const client = await dialPeer(forwarder.port)
      const server = await backend.accept()
      client.end(bytes)
      await server.ended()
      server.end()
      await client.ended()
    }
    t.is((await forwarder.outcome()).bytesUp, 18)
    await forwarder.until(() => forwarder.app.status().connections.active === 0)
    t.is(forwarder.outcomes.length, 1)
  })

  test(`${plane}: log.empty: off keeps the line of one that found no endpoint`, async (t) => {
    const { forwarder } = await scene(t, plane, { empty: false }, await closedPort())
    const client = await dialPeer(forwarder.port)
    await client.ended()
    t.is((await forwarder.outcome()).cause, 'endpoint-down')
  })
}
