import test, { type ExecutionContext } from 'ava'
import type { Config } from '../../src/config/config.ts'
import {
  configOf,
  Forwarder,
  type ForwarderOptions,
  openDescriptors,
  type PlaneName,
  patienceMs,
} from '../helpers/forwarder.ts'
import { Backend, dialPeer, echo, type Peer } from '../helpers/peer.ts'
import { readProxy } from '../helpers/read-proxy.ts'

type Settings = Omit<ForwarderOptions, 'plane'> & {
  onPeer?: (peer: Peer) => void
  connections?: number
  maxAgeMs?: number
}

interface Scene {
  readonly forwarder: Forwarder
  readonly backend: Backend
  /** `hit`, `miss`, `connections`, `stale waiting` … of the endpoint. */
  warm(what: string): Promise<number>
  /** Resolves when so many wait for a client, and the backend has accepted them. */
  waiting(count: number): Promise<void>
  /** Sends a word through an echo, and the end; true: it came back whole. */
  talk(): Promise<boolean>
  reload(changes: Partial<Config>): Promise<void>
}

/** Connections that wait for a client, on real sockets; each test ends with no descriptor left. */
export function warmContract(plane: PlaneName): void {
  const scene = (
    title: string,
    settings: Settings,
    run: (t: ExecutionContext, scene: Scene) => Promise<void>,
  ) => {
    test.serial(`${plane}: ${title}`, async (t) => {
      const before = openDescriptors()
      const { onPeer = echo, connections = 4, maxAgeMs = 25_000, ...options } = settings
      const backend = await Backend.start({ onPeer })
      const pool = { warm: { connections, maxAgeMs }, ...options.pool }
      const all = { plane, endpoints: [backend.port], ...options, pool } as const
      let next = configOf(all)
      const source = { name: 'edge.yaml', load: () => ({ kind: 'ok', config: next, warnings: [] }) as const }
      const forwarder = await Forwarder.start({ ...all, source })
      const warm = (what: string) => {
        const [name, found] = what.split(' ')
        const labels = `pool="main",endpoint="127.0.0.1:${backend.port}"${found === undefined ? '' : `,found="${found}"`}`
        return forwarder.metric(
          `spliceway_warm_pool_${name}${name === 'connections' ? '' : '_total'}{${labels}}`,
        )
      }
      const waiting = async (count: number) => {
        const deadlineMs = performance.now() + patienceMs
        const accepted = () => backend.peers.filter(({ ending }) => ending === null).length
        while ((await warm('connections')) !== count || accepted() < count) {
          if (performance.now() > deadlineMs)
            throw new Error(`${await warm('connections')} wait, and not ${count}`)
          await new Promise((resolve) => setTimeout(resolve, 2))
        }
      }
      const talk = async () => {
        const client = await dialPeer(forwarder.port)
        client.end('hi')
        const { bytes, ending } = await client.readAll()
        return bytes.toString() === 'hi' && ending === 'fin'
      }
      const reload = async (changes: Partial<Config>) => {
        next = { ...next, ...changes }
        const { ok, message } = await forwarder.app.reload()
        if (!ok) throw new Error(message)
      }
      try {
        await run(t, { forwarder, backend, warm, waiting, talk, reload })
      } finally {
        await backend.close()
        await forwarder.close()
      }
      await forwarder
        .until(() => openDescriptors() <= before)
        .catch(() => t.fail(`${openDescriptors() - before} descriptors were left open`))
    })
  }

  test.before('descriptors that a process opens once are open', async () => {
    const forwarder = await Forwarder.start({ plane, endpoints: ['127.0.0.1:1'] })
    await forwarder.metric('spliceway_draining')
    await forwarder.close()
  })

  scene(
    'connections wait before a client comes, as many as configured, and are no sessions',
    {},
    async (t, scene) => {
      await scene.waiting(4)
      // Accepted: the ACK of the handshake was sent.
      await scene.forwarder.until(() => scene.backend.peers.length === 4)
      t.pass()
      const { connections, pools } = scene.forwarder.app.status()
      t.is(connections.active, 0)
      t.is(pools[0]?.endpoints[0]?.active, 0)
    },
  )

  scene(
    'a client gets the connection that was there, and a new one takes its place',
    {},
    async (t, { forwarder, backend, ...scene }) => {
      await scene.waiting(4)
      const client = await dialPeer(forwarder.port)
      await client.write('hello')
      t.is((await client.read(5)).toString(), 'hello')
      t.is(await scene.warm('hit'), 1)
      await scene.waiting(4)
      await forwarder.until(() => backend.peers.length === 5)
      client.end()
      await client.ended()
      const { attempts, endpoint } = await forwarder.outcome()
      t.deepEqual(attempts, [{ endpoint: endpoint ?? '', ms: 0, error: null }])
    },
  )

  scene(
    'at a steady rate below the refill limit at least 99 of 100 clients find one',
    { connections: 8 },
    async (t, scene) => {
      await scene.waiting(8)
      const talks: Promise<boolean>[] = []
      let open = 0
      while (talks.length < 200) {
        // A thread that stood still makes no burst of what it owes: that is no steady rate.
        if (open < 4) {
          open++
          talks.push(scene.talk().finally(() => open--))
        }
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      t.true((await Promise.all(talks)).every(Boolean))
      const [hit, miss] = [await scene.warm('hit'), await scene.warm('miss')]
      t.log(`100 clients/s: ${hit} hits, ${miss} misses`)
      t.is(hit + miss, 200)
      t.true(hit / 200 >= 0.99)
    },
  )

  scene(
    'a burst beyond the shelf is dialed for, and every client is served',
    { connections: 2 },
    async (t, scene) => {
      await scene.waiting(2)
      t.true((await Promise.all(Array.from({ length: 40 }, scene.talk))).every(Boolean))
      t.true((await scene.warm('miss')) > 0)
    },
  )

  scene(
    'a connection is replaced when it is too old',
    { connections: 1, maxAgeMs: 200 },
    async (t, scene) => {
      const first = await scene.backend.accept()
      t.is(await first.ended(), 'fin')
      await scene.waiting(1)
      t.is(await scene.warm('stale waiting'), 0)
      t.true(await scene.talk())
    },
  )

  for (const how of ['fin', 'rst'] as const) {
    scene(
      `what the endpoint gives up by ${how} is counted and never given to a client`,
      { connections: 2 },
      async (t, scene) => {
        await scene.waiting(2)
        for (const peer of scene.backend.peers) how === 'fin' ? peer.end() : peer.reset()
        await scene.waiting(0)
        t.is(await scene.warm('stale waiting'), 2)
        t.true(await scene.talk())
        t.is(await scene.warm('hit'), 0)
        const { attempts } = await scene.forwarder.outcome()
        t.is(attempts.length, 1)
        t.true((attempts[0]?.ms ?? 0) > 0)
        await scene.waiting(2)
      },
    )
  }

  scene(
    'where the server speaks first it switches itself off, says so once, and every client gets its whole greeting',
    { connections: 4, workers: 2, onPeer: (peer) => void peer.write('220 hello\r\n') },
    async (t, scene) => {
      const said = /warm connections are off: endpoint .* sent something/
      await scene.forwarder.line(said)
      await scene.waiting(0)
      for (let i = 0; i < 5; i++) {
        const client = await dialPeer(scene.forwarder.port)
        t.is((await client.read(11)).toString(), '220 hello\r\n')
        client.reset()
      }
      t.is(scene.forwarder.lines.filter(({ message }) => said.test(message)).length, 1)
      t.is(await scene.warm('hit'), 0)
      t.is(await scene.warm('connections'), 0)
    },
  )

  scene(
    'a client that lost its connection because the endpoint gave it up is counted, and one that was answered is not',
    {
      connections: 1,
      onPeer: ({ socket }) =>
        socket.once('data', (data) =>
          data.toString() === 'die' ? socket.resetAndDestroy() : socket.end(data),
        ),
    },
    async (t, scene) => {
      await scene.waiting(1)
      t.true(await scene.talk())
      await scene.waiting(1)
      const unlucky = await dialPeer(scene.forwarder.port)
      await unlucky.write('die')
      t.is(await unlucky.ended(), 'rst')
      await scene.forwarder.outcome()
      await scene.forwarder.outcome()
      t.is(await scene.warm('stale used'), 1)
    },
  )

  scene('all workers keep their share', { connections: 5, workers: 3 }, async (t, scene) => {
    await scene.waiting(5)
    t.true((await Promise.all(Array.from({ length: 5 }, scene.talk))).every(Boolean))
  })

  scene('an endpoint that drains loses its warm connections, and gets them back', {}, async (t, scene) => {
    await scene.waiting(4)
    const id = `127.0.0.1:${scene.backend.port}`
    t.true(scene.forwarder.app.endpoint('main', id, 'drain').ok)
    await scene.waiting(0)
    t.deepEqual(await Promise.all(scene.backend.peers.map((peer) => peer.ended())), [
      'fin',
      'fin',
      'fin',
      'fin',
    ])
    t.true(scene.forwarder.app.endpoint('main', id, 'ready').ok)
    await scene.waiting(4)
  })

  scene('an endpoint that leaves the pool loses them', {}, async (t, scene) => {
    await scene.waiting(4)
    const other = await Backend.start({ onPeer: echo })
    const { pools } = configOf({ plane, endpoints: [other.port] })
    await scene.reload({ pools })
    t.deepEqual(await Promise.all(scene.backend.peers.map((peer) => peer.ended())), [
      'fin',
      'fin',
      'fin',
      'fin',
    ])
    t.is(await scene.warm('connections'), 0)
    await other.close()
  })

  scene('a reload that does not touch the pool leaves them alone', {}, async (t, scene) => {
    await scene.waiting(4)
    await scene.reload({ log: { level: 'warn', access: 'all', connect: false, empty: true } })
    t.true(await scene.talk())
    t.is(await scene.warm('hit'), 1)
    await scene.waiting(4)
    t.is(scene.backend.peers.length, 5)
  })

  scene('a drain closes them when the program stops accepting', {}, async (t, scene) => {
    await scene.waiting(4)
    scene.forwarder.app.drain()
    t.deepEqual(await Promise.all(scene.backend.peers.map((peer) => peer.ended())), [
      'fin',
      'fin',
      'fin',
      'fin',
    ])
    await (await scene.forwarder.app.draining).done
  })

  scene(
    'a worker that dies closes its own, and its successor fills its shelf',
    { workers: 2 },
    async (t, scene) => {
      await scene.waiting(4)
      const mine = [...scene.backend.peers]
      scene.forwarder.app.breakWorker(1)
      await scene.forwarder.line(/worker 1 died/)
      await scene.forwarder.until(() => mine.filter(({ ending }) => ending !== null).length === 2)
      await scene.waiting(4)
      t.is(scene.backend.peers.length, 6)
    },
  )

  scene(
    'the PROXY header is sent when a client has come, and not before',
    { pool: { sendProxyProtocol: 'v2', warm: { connections: 1, maxAgeMs: 25_000 } }, onPeer: () => {} },
    async (t, scene) => {
      const server = await scene.backend.accept()
      await scene.waiting(1)
      t.is(server.size, 0)
      const client = await dialPeer(scene.forwarder.port)
      await client.write('hi')
      let received = Buffer.alloc(0)
      while (!received.subarray(-2).equals(Buffer.from('hi'))) {
        received = Buffer.concat([received, await server.read(1)])
      }
      const header = readProxy(received)
      t.is(header.kind === 'found' ? header.source?.port : header.kind, client.socket.localPort)
      client.end()
      server.end()
      await client.ended()
    },
  )

  scene(
    'maxConnections of an endpoint is not reached by warm connections',
    { connections: 8, endpoints: [], onPeer: echo },
    async (t, scene) => {
      const endpoints = [
        { host: '127.0.0.1', port: scene.backend.port, priority: 0, weight: 1, maxConnections: 3 },
      ]
      const { pools } = configOf({ plane, pool: { warm: { connections: 8, maxAgeMs: 25_000 }, endpoints } })
      await scene.reload({ pools })
      await scene.waiting(3)
      const held = await dialPeer(scene.forwarder.port)
      await held.write('a')
      await held.read(1)
      await scene.waiting(2)
      held.end()
      await held.ended()
      await scene.waiting(3)
      t.pass()
    },
  )
}

/** For the contract suite: of one warm connection, a client gets the one that the backend accepted last. */
export const oneWarm: Partial<ForwarderOptions> = { pool: { warm: { connections: 1, maxAgeMs: 25_000 } } }

/** What must not tell a warm connection from a fresh one. The cases after these are about dialing. */
export const bytesAndClose = /^case ([1-9]|10|11): /

/**
 * Resolves when every endpoint that can be warm has its connection (some are black holes, or speak first: then soon), with
 * what resolves when a client has got one: until then it is nobody's, and what the backend sends on it is unexpected.
 */
export async function oneWaits(forwarder: Forwarder): Promise<() => Promise<void>> {
  const soon = async (isSo: (metrics: string) => boolean) => {
    const deadlineMs = performance.now() + 100
    while (!isSo((await forwarder.app.metrics()).text) && performance.now() < deadlineMs)
      await new Promise((resolve) => setTimeout(resolve, 2))
  }
  const served = (metrics: string) =>
    [...metrics.matchAll(/^spliceway_warm_pool_(?:hit|miss)_total\{.*\} (\d+)$/gm)].reduce(
      (sum, [, n]) => sum + Number(n),
      0,
    )
  await soon((metrics) => !/^spliceway_warm_pool_connections\{.*\} 0$/m.test(metrics))
  const before = served((await forwarder.app.metrics()).text)
  return () => soon((metrics) => served(metrics) > before)
}
