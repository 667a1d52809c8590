import { formatAddress } from '../../../src/core/address.ts'
import { Forwarder, type ForwarderOptions, type PlaneName } from '../../helpers/forwarder.ts'
import { closedPort, dialPeer, echo } from '../../helpers/peer.ts'
import { readProxy } from '../../helpers/read-proxy.ts'
import { fullSocket, socketPath, unixBackend } from '../../helpers/unix-socket.ts'
import { MiB } from '../payload.ts'
import type { SceneMaker, Traits } from '../scene.ts'

/** Case 42: endpoints that are UNIX sockets. */
export function unix(scene: SceneMaker, plane: PlaneName, { variant = {} }: Traits): void {
  const start = (options: Omit<ForwarderOptions, 'plane'>) =>
    Forwarder.start({ plane, ...variant, ...options })

  for (const name of [undefined, '@spliceway-test-'] as const) {
    scene(
      `case 42: bytes and ends pass through ${name === undefined ? 'a path' : 'an abstract name'}`,
      {},
      async (t) => {
        const gateway = await unixBackend(echo, name && `${name}${plane}-${process.pid}`)
        const forwarder = await start({ endpoints: [gateway.endpoint] })
        const client = await dialPeer(forwarder.port)
        const sent = Buffer.alloc(4 * MiB, 'spliceway')
        client.end(sent)
        const { bytes, ending } = await client.readAll()
        t.true(bytes.equals(sent))
        t.is(ending, 'fin')
        const outcome = await forwarder.outcome()
        t.deepEqual([outcome.cause, outcome.endpoint], ['none', gateway.endpoint])
        t.deepEqual(
          outcome.attempts.map(({ endpoint, error }) => [endpoint, error]),
          [[gateway.endpoint, null]],
        )
        const labels = `pool="main",endpoint="${gateway.endpoint}"`
        t.is(await forwarder.metric(`spliceway_upstream_connect_attempts_total{${labels}}`), 1)
        await forwarder.close()
        await gateway.close()
      },
    )
  }

  scene(
    'case 42: a half-closed connection goes on, and a server that speaks first is heard',
    {},
    async (t) => {
      const gateway = await unixBackend((peer) => void peer.write('220 ready\n'))
      const forwarder = await start({ endpoints: [gateway.endpoint] })
      const client = await dialPeer(forwarder.port)
      t.is((await client.read(10)).toString(), '220 ready\n')
      client.end('request')
      const [server] = gateway.peers
      if (server === undefined) return t.fail()
      t.is((await server.readAll()).bytes.toString(), 'request')
      server.end(Buffer.alloc(MiB))
      t.is((await client.readAll()).bytes.length, MiB)
      t.is((await forwarder.outcome()).cause, 'none')
      await forwarder.close()
      await gateway.close()
    },
  )

  scene('case 42: the PROXY v2 header names the client, as over TCP', {}, async (t) => {
    const first = Promise.withResolvers<Buffer>()
    const gateway = await unixBackend(({ socket }) =>
      socket.once('data', (chunk) => first.resolve(Buffer.from(chunk))),
    )
    const forwarder = await start({ endpoints: [gateway.endpoint], pool: { sendProxyProtocol: 'v2' } })
    const client = await dialPeer(forwarder.port, '127.0.0.1', '127.0.0.77')
    const found = readProxy(await first.promise)
    if (found.kind !== 'found') return t.fail(found.kind)
    t.is(found.source && formatAddress(found.source), `127.0.0.77:${client.socket.localPort}`)
    t.is(found.destination && formatAddress(found.destination), `127.0.0.1:${forwarder.port}`)
    client.reset()
    await forwarder.outcome()
    await forwarder.close()
    await gateway.close()
  })

  scene(
    "case 42: a client's reset is an end for the gateway, and what it sent before arrives",
    {},
    async (t) => {
      const gateway = await unixBackend(() => {})
      const forwarder = await start({ endpoints: [gateway.endpoint] })
      const client = await dialPeer(forwarder.port)
      await client.write('last words')
      await forwarder.until(() => gateway.peers[0]?.size === 10)
      client.reset()
      t.is(await gateway.peers[0]?.ended(), 'fin')
      t.is((await forwarder.outcome()).cause, 'client')
      await forwarder.close()
      await gateway.close()
    },
  )

  scene(
    'case 42: a gateway that goes with bytes unread is a reset, behind what it has said',
    {},
    async (t) => {
      const gateway = await unixBackend(({ socket }) => socket.pause())
      const forwarder = await start({ endpoints: [gateway.endpoint] })
      const client = await dialPeer(forwarder.port)
      // More than a paused socket of Node's takes: the rest stays with the kernel.
      client.socket.write(Buffer.alloc(4 * MiB))
      await forwarder.until(() => gateway.peers.length === 1)
      const socket = gateway.peers[0]?.socket
      await forwarder.until(() => forwarder.app.status().listeners[0]?.active === 1)
      await new Promise((resolve) => socket?.write('busy, go away', resolve))
      await client.read(13)
      socket?.destroy()
      t.is(await client.ended(), 'rst')
      t.is((await forwarder.outcome()).cause, 'server')
      await forwarder.close()
      await gateway.close()
    },
  )

  scene('case 42: nobody listens: the next endpoint, at once', { onPeer: echo }, async (t, { backend }) => {
    const { path, remove } = socketPath()
    const forwarder = await start({
      endpoints: [
        { unix: path, priority: 0 },
        { port: backend.port, priority: 1 },
      ],
    })
    const client = await dialPeer(forwarder.port)
    client.end('to whoever lives')
    t.is((await client.readAll()).bytes.toString(), 'to whoever lives')
    const { attempts } = await forwarder.outcome()
    t.deepEqual(
      attempts.map(({ endpoint, error }) => [endpoint, error]),
      [
        [`unix:${path}`, 'ENOENT'],
        [`127.0.0.1:${backend.port}`, null],
      ],
    )
    const labels = `pool="main",endpoint="unix:${path}",reason="refused"`
    t.is(await forwarder.metric(`spliceway_upstream_connect_failures_total{${labels}}`), 1)
    await forwarder.close()
    remove()
  })

  scene('case 42: a full backlog is busy: it is asked again, and that is no failure', {}, async (t) => {
    const full = fullSocket()
    const dead = await closedPort()
    const forwarder = await start({
      endpoints: [
        { ...endpointOf(full.endpoint), priority: 0 },
        { port: dead, priority: 1 },
      ],
      connect: { hedgeAfterMs: 50 },
    })
    const client = await dialPeer(forwarder.port)
    // The hedge: an endpoint that is only busy does not become suspect by it.
    const labels = `pool="main",endpoint="127.0.0.1:${dead}",reason="refused"`
    while ((await forwarder.metric(`spliceway_upstream_connect_failures_total{${labels}}`)) === 0)
      await new Promise(setImmediate)
    t.is(forwarder.app.status().pools[0]?.endpoints[0]?.state, 'unknown')
    full.makeRoom()
    await forwarder.until(() => forwarder.app.status().pools[0]?.endpoints[0]?.active === 1)
    client.reset()
    const { attempts, endpoint } = await forwarder.outcome()
    t.is(endpoint, full.endpoint)
    t.deepEqual(
      attempts.map(({ error }) => error),
      ['ECONNREFUSED', null],
    )
    await forwarder.close()
    full.close()
  })

  scene(
    'case 42: a backlog that stays full passes the client on, and ejects nobody',
    { onPeer: echo },
    async (t, { backend }) => {
      const full = fullSocket()
      const forwarder = await start({
        endpoints: [
          { ...endpointOf(full.endpoint), priority: 0 },
          { port: backend.port, priority: 1 },
        ],
        connect: { timeoutMs: 100 },
        pool: { outlier: { consecutiveFailures: 1, baseEjectionMs: 60_000, maxEjectionMs: 60_000 } },
      })
      const client = await dialPeer(forwarder.port)
      client.end('hello')
      t.is((await client.readAll()).bytes.toString(), 'hello')
      t.deepEqual(
        (await forwarder.outcome()).attempts.map(({ error }) => error),
        ['EAGAIN', null],
      )
      t.is(forwarder.app.status().pools[0]?.endpoints[0]?.state, 'unknown')
      const labels = `pool="main",endpoint="${full.endpoint}",reason="busy"`
      t.is(await forwarder.metric(`spliceway_upstream_connect_failures_total{${labels}}`), 1)
      await forwarder.close()
      full.close()
    },
  )

  scene('case 42: connections wait warm at a UNIX socket, too', {}, async (t) => {
    const gateway = await unixBackend(echo)
    const forwarder = await start({
      endpoints: [gateway.endpoint],
      pool: { warm: { connections: 2, maxAgeMs: 60_000 } },
    })
    while ((await forwarder.metric(waiting(gateway.endpoint))) < 2) await new Promise(setImmediate)
    const client = await dialPeer(forwarder.port)
    client.end('hello')
    t.is((await client.readAll()).bytes.toString(), 'hello')
    t.deepEqual(
      (await forwarder.outcome()).attempts.map(({ ms, error }) => [ms, error]),
      [[0, null]],
    )
    await forwarder.close()
    await gateway.close()
  })

  scene(
    'case 42: silence, too, ends a connection to a UNIX socket, and keepalive is not asked of it',
    {},
    async (t) => {
      const gateway = await unixBackend(() => {})
      const forwarder = await start({
        endpoints: [gateway.endpoint],
        timeouts: {
          idleMs: 1_200,
          unackedMs: 400,
          keepalive: { idleMs: 1_000, intervalMs: 1_000, count: 2 },
        },
      })
      const client = await dialPeer(forwarder.port)
      await client.write('hello')
      const outcome = await forwarder.outcome()
      t.is(outcome.closed.how, 'timeout')
      t.true(outcome.durationMs >= 1_200)
      t.is(await client.ended(), 'rst')
      await forwarder.close()
      await gateway.close()
    },
  )
}

function endpointOf(endpoint: string): { readonly unix: string } {
  return { unix: endpoint.slice('unix:'.length) }
}

function waiting(endpoint: string): string {
  return `spliceway_warm_pool_connections{pool="main",endpoint="${endpoint}"}`
}
