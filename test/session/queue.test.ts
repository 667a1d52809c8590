import test from 'ava'
import type { Loaded } from '../../src/app.ts'
import { configOf, Forwarder, type ForwarderOptions, type PlaneName } from '../helpers/forwarder.ts'
import { Backend, closedPort, dialPeer, echo, type Peer, turnedAway } from '../helpers/peer.ts'

const planes: readonly PlaneName[] = ['net', 'splice']
const queued = 'spliceway_connections_queued'

async function untilQueued(forwarder: Forwarder, count: number): Promise<void> {
  const untilMs = performance.now() + 8_000
  while ((await forwarder.metric(queued)) !== count) {
    if (performance.now() > untilMs) throw new Error(`not ${count} in the queue`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

async function spoken(client: Peer, word: string): Promise<string> {
  await client.write(word)
  return (await client.read(word.length)).toString()
}

/** Reloads with other endpoints. */
async function reloadable(options: ForwarderOptions) {
  let next: Loaded = { kind: 'invalid', message: 'not set' }
  const forwarder = await Forwarder.start({ ...options, source: { name: 'test', load: () => next } })
  const reload = (endpoints: ForwarderOptions['endpoints'] = []) => {
    next = { kind: 'ok', config: configOf({ ...options, endpoints }), warnings: [] }
    return forwarder.app.reload()
  }
  return { forwarder, reload }
}

/** A forwarder whose only endpoint has the one connection that it may have, and the client of that. */
async function full(plane: PlaneName, queue: { connections: number; timeoutMs: number }) {
  const backend = await Backend.start({ onPeer: echo })
  const endpoints = [{ port: backend.port, maxConnections: 1 }]
  const forwarder = await Forwarder.start({ plane, endpoints, pool: { queue } })
  const first = await dialPeer(forwarder.port)
  await spoken(first, 'first')
  return { backend, forwarder, first }
}

for (const plane of planes) {
  test.serial(`${plane}: an overloaded tier spills over to the next one`, async (t) => {
    const near = await Backend.start({ onPeer: echo })
    const far = await Backend.start({ onPeer: echo })
    const forwarder = await Forwarder.start({
      plane,
      endpoints: [
        { port: near.port, maxConnections: 2 },
        { port: far.port, priority: 1 },
      ],
    })
    const clients: Peer[] = []
    for (let i = 0; i < 5; i++) {
      const client = await dialPeer(forwarder.port)
      await spoken(client, 'x')
      clients.push(client)
    }
    t.deepEqual([near.peers.length, far.peers.length], [2, 3])
    for (const client of clients) client.end()
    await Promise.all(clients.map((client) => client.ended()))
    await near.close()
    await far.close()
    await forwarder.close()
  })

  test.serial(
    `${plane}: with every endpoint full, connections wait and are served in their order`,
    async (t) => {
      const backend = await Backend.start({ onPeer: echo })
      const forwarder = await Forwarder.start({
        plane,
        endpoints: [{ port: backend.port, maxConnections: 1 }],
      })
      const first = await dialPeer(forwarder.port)
      await spoken(first, 'first')
      const order: string[] = []
      const waiting: Promise<void>[] = []
      for (const [i, word] of ['second', 'third', 'fourth'].entries()) {
        const client = await dialPeer(forwarder.port)
        await untilQueued(forwarder, i + 1)
        client.end(word)
        waiting.push(client.readAll().then(({ bytes }) => void order.push(bytes.toString())))
      }
      first.end()
      await Promise.all(waiting)
      t.deepEqual(order, ['second', 'third', 'fourth'])
      t.is(await forwarder.metric(queued), 0)
      await backend.close()
      await forwarder.close()
    },
  )

  test.serial(`${plane}: a place that another worker's connection leaves is taken`, async (t) => {
    const backend = await Backend.start({ onPeer: echo })
    const forwarder = await Forwarder.start({
      plane,
      workers: 3,
      endpoints: [{ port: backend.port, maxConnections: 1 }],
    })
    const words = Array.from({ length: 12 }, (_, i) => `client ${i}`)
    const replies = words.map(async (word) => {
      const client = await dialPeer(forwarder.port)
      client.end(word)
      return (await client.readAll()).bytes.toString()
    })
    t.deepEqual(await Promise.all(replies), words)
    await backend.close()
    await forwarder.close()
  })

  test.serial(`${plane}: whoever waits too long is reset, and the log says where it was`, async (t) => {
    const { backend, forwarder, first } = await full(plane, { connections: 8, timeoutMs: 100 })
    t.is(await turnedAway(forwarder.port), 'rst')
    const { cause, phase, attempts, durationMs } = await forwarder.outcome()
    t.deepEqual({ cause, phase, attempts }, { cause: 'resource', phase: 'queue', attempts: [] })
    t.true(durationMs >= 100)
    first.end()
    await first.ended()
    await backend.close()
    await forwarder.close()
  })

  test.serial(`${plane}: one too many for the queue is reset at once`, async (t) => {
    const { backend, forwarder, first } = await full(plane, { connections: 1, timeoutMs: 60_000 })
    const second = await dialPeer(forwarder.port)
    await untilQueued(forwarder, 1)
    t.is(await turnedAway(forwarder.port), 'rst')
    const { cause, phase } = await forwarder.outcome()
    t.deepEqual({ cause, phase }, { cause: 'resource', phase: 'queue' })
    first.end()
    await first.ended()
    t.is(await spoken(second, 'second'), 'second')
    second.end()
    await second.ended()
    await backend.close()
    await forwarder.close()
  })

  test.serial(`${plane}: a client that leaves the queue makes room in it`, async (t) => {
    const { backend, forwarder, first } = await full(plane, { connections: 1, timeoutMs: 60_000 })
    const impatient = await dialPeer(forwarder.port)
    await untilQueued(forwarder, 1)
    impatient.reset()
    await untilQueued(forwarder, 0)
    const third = await dialPeer(forwarder.port)
    await untilQueued(forwarder, 1)
    first.end()
    await first.ended()
    t.is(await spoken(third, 'third'), 'third')
    third.end()
    await third.ended()
    t.is(backend.peers.length, 2, 'nothing was dialed for the one that left')
    await backend.close()
    await forwarder.close()
  })

  test.serial(`${plane}: connections that wait are served by an endpoint that comes meanwhile`, async (t) => {
    const full = await Backend.start({ onPeer: echo })
    const more = await Backend.start({ onPeer: echo })
    const endpoints = [{ port: full.port, maxConnections: 1 }]
    const { forwarder, reload } = await reloadable({ plane, endpoints })
    const first = await dialPeer(forwarder.port)
    await spoken(first, 'first')
    const second = await dialPeer(forwarder.port)
    await untilQueued(forwarder, 1)
    await reload([...endpoints, more.port])
    t.is(await spoken(second, 'second'), 'second')
    const third = await dialPeer(forwarder.port)
    t.is(await spoken(third, 'third'), 'third')
    t.deepEqual([full.peers.length, more.peers.length], [1, 2])
    for (const client of [first, second, third]) client.end()
    await full.close()
    await more.close()
    await forwarder.close()
  })

  test.serial(`${plane}: connections that wait do not go to an endpoint that left meanwhile`, async (t) => {
    const leaving = await Backend.start({ onPeer: echo })
    const staying = await Backend.start({ onPeer: echo })
    const { forwarder, reload } = await reloadable({
      plane,
      endpoints: [{ port: leaving.port, maxConnections: 1 }],
    })
    const first = await dialPeer(forwarder.port)
    await spoken(first, 'first')
    const second = await dialPeer(forwarder.port)
    await untilQueued(forwarder, 1)
    await reload([staying.port])
    first.end()
    await first.ended()
    t.is(await spoken(second, 'second'), 'second')
    t.deepEqual([leaving.peers.length, staying.peers.length], [1, 1])
    second.end()
    await leaving.close()
    await staying.close()
    await forwarder.close()
  })

  test.serial(
    `${plane}: a connection whose pool is down goes to an endpoint that comes meanwhile`,
    async (t) => {
      const dead = await closedPort()
      const backend = await Backend.start({ onPeer: (peer) => peer.end('here') })
      const { forwarder, reload } = await reloadable({ plane, endpoints: [dead], pool: { outlier: null } })
      const client = await dialPeer(forwarder.port)
      client.end()
      const labels = `{pool="main",endpoint="127.0.0.1:${dead}"}`
      while ((await forwarder.metric(`spliceway_upstream_connect_attempts_total${labels}`)) === 0)
        await new Promise((resolve) => setTimeout(resolve, 5))
      await reload([backend.port])
      t.is((await client.readAll()).bytes.toString(), 'here')
      await backend.close()
      await forwarder.close()
    },
  )

  test.serial(
    `${plane}: a connection that no endpoint could be dialed for was not in the queue`,
    async (t) => {
      const forwarder = await Forwarder.start({ plane, endpoints: [], connect: { budgetMs: 100 } })
      t.is(await turnedAway(forwarder.port), 'rst')
      const { cause, phase } = await forwarder.outcome()
      t.deepEqual({ cause, phase }, { cause: 'endpoint-down', phase: 'connect' })
      await forwarder.close()
    },
  )
}
