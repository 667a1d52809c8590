import { createHash, randomBytes } from 'node:crypto'
import type { ExecutionContext } from 'ava'
import { formatAddress } from '../../src/core/address.ts'
import { Forwarder, type PlaneName } from '../helpers/forwarder.ts'
import { Backend, closedPort, dialPeer, echo, type Peer, silentPort, turnedAway } from '../helpers/peer.ts'
import { readProxy } from '../helpers/read-proxy.ts'
import { fillUp } from './fill.ts'
import { scenes, type Traits } from './scene.ts'
import { holdBack, sendUrgent, tcpRow, tcpState } from './socket.ts'

const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const KiB = 1024
const MiB = 1024 * KiB

/**
 * What users may rely on, case by case (the numbers are those of the behaviour contract), on real sockets. Each test
 * starts a whole program with `plane` in its worker threads, and ends with every gauge at zero and no descriptor left.
 */
export function contract(plane: PlaneName, traits: Traits): void {
  const { accepting, variant = {} } = traits
  const scene = scenes(plane, traits)

  // 1. Bytes

  scene(
    'case 1: a banner reaches a client that has sent nothing',
    { onPeer: (peer) => void peer.write('220 hello\r\n') },
    async (t, { pair }) => {
      const { client } = await pair()
      t.is((await client.read(11)).toString(), '220 hello\r\n')
    },
  )

  for (const host of ['127.0.0.1', '::1']) {
    scene(
      `case 2: 1 MiB of random bytes comes back equal over ${host}`,
      { onPeer: echo, host, listen: host },
      async (t, { pair, forwarder }) => {
        const sent = randomBytes(MiB)
        const { client } = await pair()
        const { localPort } = client.socket
        client.end(sent)
        const { bytes, ending } = await client.readAll()
        t.is(sha(bytes), sha(sent))
        t.is(ending, 'fin')
        const outcome = await forwarder.outcome()
        t.is(outcome.bytesUp, MiB)
        t.is(outcome.bytesDown, MiB)
        t.is(outcome.cause, 'none')
        t.deepEqual(outcome.closed, { first: 'client', how: 'fin' })
        t.is(outcome.client, `${host === '::1' ? '[::1]' : host}:${localPort}`)
      },
    )
  }

  scene(
    'case 2: 1,000 ping-pongs of 8 bytes keep their order and do not wait for Nagle',
    { onPeer: echo },
    async (t, { pair }) => {
      const { client } = await pair()
      const started = performance.now()
      for (let i = 0; i < 1_000; i++) {
        const ping = Buffer.alloc(8)
        ping.writeDoubleLE(i)
        await client.write(ping)
        t.deepEqual(await client.read(8), ping)
      }
      // Nagle against a delayed ACK costs 40 ms an exchange: 40 s.
      t.true(performance.now() - started < 20_000)
    },
  )

  scene(
    'case 3: a slow reader against a fast writer holds at most 128 KiB in user space, and one pipe',
    {},
    async (t, { pair, forwarder }) => {
      const { client, server } = await pair()
      client.socket.pause()
      const chunk = Buffer.alloc(256 * KiB, 'x')
      const total = 64 * MiB
      let written = 0
      const writing = (async () => {
        for (; written < total; written += chunk.length) await server.write(chunk)
        server.end()
      })()
      let buffered = 0
      for (let at = -1; written < total; at = written) {
        const now = await forwarder.metric('spliceway_buffered_bytes')
        buffered = Math.max(buffered, now)
        if (now > 0 && written === at) break // held back, for as long as nobody reads
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
      t.true(buffered > 0, 'nothing was buffered: the writer was never held back')
      // A pipe is not user space, but shows too.
      const most = 128 * KiB + (variant.pipesOnLoopback === true ? 256 * KiB : 0)
      t.true(buffered <= most, `${buffered} bytes were buffered`)
      let received = 0
      client.socket.on('data', (data: Buffer) => {
        received += data.length
      })
      client.socket.resume()
      await writing
      await forwarder.until(() => client.ending !== null)
      t.is(client.ending, 'fin')
      t.is(received, total)
      client.end()
    },
  )

  scene('case 3: both directions blocked at once is no deadlock', {}, async (t, { pair, forwarder }) => {
    const { client, server } = await pair()
    client.socket.pause()
    server.socket.pause()
    const bytes = randomBytes(24 * MiB)
    client.end(bytes)
    server.end(bytes)
    await forwarder.until(() => client.socket.writableLength > 0 && server.socket.writableLength > 0)
    client.socket.resume()
    server.socket.resume()
    const [down, up] = await Promise.all([client.readAll(), server.readAll()])
    t.is(sha(down.bytes), sha(bytes))
    t.is(sha(up.bytes), sha(bytes))
    t.is((await forwarder.outcome()).cause, 'none')
  })

  for (const from of ['server', 'client'] as const) {
    scene(
      `case 4: all of 50 MiB arrives though the ${from} closed long before the other side read`,
      {},
      async (t, { pair, forwarder }) => {
        const { client, server } = await pair()
        const [writer, reader] = from === 'server' ? [server, client] : [client, server]
        reader.socket.pause()
        const bytes = randomBytes(50 * MiB)
        writer.end(bytes)
        await forwarder.until(() => writer.socket.bytesWritten > 0 && writer.socket.writableLength > 0)
        reader.socket.resume()
        const read = await reader.readAll()
        t.is(sha(read.bytes), sha(bytes))
        t.is(read.ending, 'fin')
        reader.end()
        t.is((await forwarder.outcome()).cause, 'none')
      },
    )
  }

  scene('case 5: 10,000 single-byte writes arrive intact', {}, async (t, { pair }) => {
    const { client, server } = await pair()
    const bytes = randomBytes(10_000)
    for (const byte of bytes) await client.write(Buffer.of(byte))
    t.is(sha(await server.read(10_000)), sha(bytes))
  })

  scene('case 5: urgent data does not hold up what follows it', {}, async (t, { pair }) => {
    const { client, server } = await pair()
    await client.write('abc')
    await server.read(3)
    sendUrgent(client, 'x')
    await client.write('def')
    const found: string[] = []
    // In the stream where the plane asks for that, else beside it and lost, as TCP has it.
    while (!found.join('').endsWith('def')) found.push((await server.read(1)).toString())
    t.is(found.join('').replace('x', ''), 'def')
    client.end()
    server.end()
    await client.ended()
  })

  // 2. Close

  scene(
    'case 6: a client that half-closes gets all of a 10 MiB reply',
    {},
    async (t, { pair, forwarder }) => {
      const { client, server } = await pair()
      client.end('GET')
      const request = await server.readAll()
      t.is(request.bytes.toString(), 'GET')
      t.is(request.ending, 'fin')
      const reply = randomBytes(10 * MiB)
      server.end(reply)
      const { bytes, ending } = await client.readAll()
      t.is(sha(bytes), sha(reply))
      t.is(ending, 'fin')
      t.is((await forwarder.outcome()).cause, 'none')
    },
  )

  scene(
    'case 6: a server that half-closes gets all of a 10 MiB upload',
    {},
    async (t, { pair, forwarder }) => {
      const { client, server } = await pair()
      server.end('go on')
      const greeting = await client.readAll()
      t.is(greeting.bytes.toString(), 'go on')
      const upload = randomBytes(10 * MiB)
      client.end(upload)
      const { bytes, ending } = await server.readAll()
      t.is(sha(bytes), sha(upload))
      t.is(ending, 'fin')
      const outcome = await forwarder.outcome()
      t.is(outcome.cause, 'none')
      t.deepEqual(outcome.closed, { first: 'server', how: 'fin' })
    },
  )

  scene('case 7: data and FIN in one segment arrive as data, then the end', {}, async (t, { pair }) => {
    const { client, server } = await pair()
    client.socket.cork()
    client.socket.end('last words')
    client.socket.uncork()
    const { bytes, ending } = await server.readAll()
    t.is(bytes.toString(), 'last words')
    t.is(ending, 'fin')
    server.end()
  })

  scene(
    'case 7: data and FIN before the backend is connected arrive as data, then the end',
    { connect: { budgetMs: 5_000 } },
    async (t, { forwarder, backend }) => {
      const { port } = backend
      await backend.close()
      const client = await dialPeer(forwarder.port)
      client.end('early')
      await forwarder.until(() => client.socket.writableFinished)
      const late = await Backend.start({ port })
      const server = await late.accept()
      const { bytes, ending } = await server.readAll()
      t.is(bytes.toString(), 'early')
      t.is(ending, 'fin')
      server.end('reply')
      t.is((await client.readAll()).bytes.toString(), 'reply')
      await late.close()
      client.socket.destroy()
    },
  )

  scene(
    'case 7: a FIN without data never abandons a dial',
    { connect: { budgetMs: 5_000 } },
    async (t, { forwarder, backend }) => {
      const { port } = backend
      await backend.close()
      const client = await dialPeer(forwarder.port)
      client.end()
      await forwarder.until(() => client.socket.writableFinished)
      const late = await Backend.start({ port, onPeer: (peer) => peer.end('still here') })
      const { bytes, ending } = await client.readAll()
      t.is(bytes.toString(), 'still here')
      t.is(ending, 'fin')
      await late.close()
      client.socket.destroy()
    },
  )

  scene(
    'case 8: a reset from the client reaches the backend as a reset',
    {},
    async (t, { pair, forwarder }) => {
      const { client, server } = await pair()
      await client.write('hello')
      await server.read(5)
      client.reset()
      t.is(await server.ended(), 'rst')
      const outcome = await forwarder.outcome()
      t.is(outcome.cause, 'client')
      t.is(outcome.phase, 'data')
      t.deepEqual(outcome.closed, { first: 'client', how: 'rst' })
    },
  )

  scene(
    'case 8: a reset from the backend reaches the client as a reset',
    {},
    async (t, { pair, forwarder }) => {
      const { client, server } = await pair()
      await server.write('hello')
      await client.read(5)
      server.reset()
      t.is(await client.ended(), 'rst')
      const outcome = await forwarder.outcome()
      t.is(outcome.cause, 'server')
      t.deepEqual(outcome.closed, { first: 'server', how: 'rst' })
    },
  )

  scene(
    'case 8: a reset in the middle of bulk reaches the other side as a reset',
    {},
    async (t, { pair }) => {
      const { client, server } = await pair()
      client.socket.pause()
      void server.write(Buffer.alloc(32 * MiB)).catch(() => {})
      await server.read(0)
      await client.write('go')
      await server.read(2)
      client.reset()
      t.is(await server.ended(), 'rst')
    },
  )

  scene(
    'case 9: a reset does not overtake data that was followed by a clean end',
    {},
    async (t, { pair, forwarder, backend }) => {
      const { client, server } = await pair()
      client.socket.pause()
      const sent = await fillUp(forwarder, server)
      server.end()
      const upstreamPort = server.socket.remotePort ?? 0
      await forwarder.until(() => tcpRow(upstreamPort, backend.port)?.state === tcpState.closeWait)
      server.socket.destroy() // from now on its kernel answers every byte with RST
      await client.write('nobody reads this')
      await forwarder.until(() => tcpRow(upstreamPort, backend.port) === undefined)
      await client.write('nor this') // the forwarder's write fails now
      await forwarder.until(() => tcpRow(forwarder.port, client.socket.localPort ?? 0)?.unreadBytes === 0)
      client.socket.resume()
      const read = await client.readAll()
      t.is(sha(read.bytes), sha(sent))
      t.is(read.ending, 'fin')
      client.end()
    },
  )

  scene(
    'case 9: nor when the client has ended too, and its FIN was passed on before the reset came',
    {},
    async (t, { pair, forwarder, backend }) => {
      const { client, server } = await pair()
      client.socket.pause()
      const sent = await fillUp(forwarder, server)
      server.end()
      const upstreamPort = server.socket.remotePort ?? 0
      await forwarder.until(() => tcpRow(upstreamPort, backend.port)?.state === tcpState.closeWait)
      server.socket.destroy() // from now on its kernel answers every byte with RST
      holdBack(client)
      client.end('nobody reads this') // data and FIN are one segment, and go on at once: the forwarder is in LAST_ACK when RST comes
      await forwarder.until(() => tcpRow(upstreamPort, backend.port) === undefined)
      client.socket.resume()
      const read = await client.readAll()
      t.is(sha(read.bytes), sha(sent))
      t.is(read.ending, 'fin')
    },
  )

  scene(
    'case 10: a client that resets while the backend is dialed leaves nothing behind',
    { connect: { budgetMs: 30_000 } },
    async (t, { forwarder, backend }) => {
      await backend.close()
      const client = await dialPeer(forwarder.port)
      await forwarder.until(() => forwarder.app.status().connections.active === 1)
      client.reset()
      const outcome = await forwarder.outcome()
      t.is(outcome.cause, 'client')
      t.is(outcome.phase, 'connect')
      t.is(outcome.endpoint, null)
      t.true(outcome.durationMs < 25_000, 'the dial went on to its budget')
    },
  )

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

  // 3. Connect, retry, failover

  scene(
    'case 12: a refused endpoint costs the client nothing but the next one answers',
    { onPeer: echo },
    async (t, { backend }) => {
      const dead = await closedPort()
      const forwarder = await Forwarder.start({
        plane,
        ...variant,
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

  scene(
    'case 15: a source address that this host has not ejects nobody and is counted',
    {},
    async (t, { backend }) => {
      const forwarder = await Forwarder.start({
        plane,
        ...variant,
        ...variant,
        endpoints: [backend.port],
        connect: { source: ['192.0.2.1'], budgetMs: 300 },
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
      connect: { source: ['192.0.2.1', '127.0.0.9'] },
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

  scene(
    'case 16: an endpoint that refuses is ejected after the configured failures and gets no more connections',
    { onPeer: echo },
    async (t, { backend }) => {
      const dead = await closedPort()
      const forwarder = await Forwarder.start({
        plane,
        ...variant,
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

  // 4. Lifecycle: what a plane takes part in

  scene(
    'case 17: silent connections get FIN inside the window, the rest is reset at the deadline',
    { config: { drain: { notReadyDelayMs: 0, windowMs: 1_500, deadlineMs: 1_600, idleAfterMs: 400 } } },
    async (t, { forwarder, pair }) => {
      const silent = await pair()
      const busy = await pair()
      for (const peer of [silent.client, silent.server]) peer.socket.on('end', () => peer.end())
      const chatter = setInterval(() => busy.client.socket.write('.'), 20)
      busy.client.socket.on('error', () => clearInterval(chatter))
      forwarder.app.drain()
      const { done } = await forwarder.app.draining
      t.is(await silent.client.ended(), 'fin')
      t.is(await silent.server.ended(), 'fin')
      t.is(await busy.client.ended(), 'rst')
      clearInterval(chatter)
      await done
      const outcomes = [await forwarder.outcome(), await forwarder.outcome()]
      t.deepEqual(
        outcomes.map(({ cause }) => cause),
        ['admin', 'admin'],
      )
      t.deepEqual(
        outcomes.map(({ closed }) => closed.how),
        ['fin', 'kill'],
      )
    },
  )

  scene(
    'case 19: an endpoint that the admin drains gets no new connections and keeps those it has',
    {},
    async (t, { backend }) => {
      const second = await Backend.start({ onPeer: echo })
      const forwarder = await Forwarder.start({
        plane,
        ...variant,
        ...variant,
        endpoints: [
          { port: backend.port, priority: 0 },
          { port: second.port, priority: 1 },
        ],
      })
      const kept = await dialPeer(forwarder.port)
      const server = await backend.accept()
      t.true(forwarder.app.endpoint('main', `127.0.0.1:${backend.port}`, 'drain').ok)
      const moved = await dialPeer(forwarder.port)
      moved.end('moved')
      t.is((await moved.readAll()).bytes.toString(), 'moved')
      await kept.write('kept')
      t.is((await server.read(4)).toString(), 'kept')
      kept.reset()
      await second.close()
      await forwarder.close()
    },
  )

  scene(
    'case 20: a worker that dies is replaced while the others serve, and its connections are counted',
    { onPeer: echo, workers: 2 },
    async (t, { forwarder, pair }) => {
      const pairs: { client: Peer; server: Peer }[] = []
      for (let i = 0; i < 16; i++) {
        const opened = await pair()
        await opened.client.write('.')
        await opened.client.read(1) // relayed, not just accepted
        pairs.push(opened)
      }
      const [first] = forwarder.app.status().workers
      forwarder.app.breakWorker(1)
      const { message } = await forwarder.line(/worker 1 died/)
      t.regex(message, new RegExp(`took ${first?.active} connection`))
      await forwarder.until(() => forwarder.app.status().workers.every(({ alive }) => alive))
      t.is(
        await forwarder.metric(
          'spliceway_connections_closed_total{listener="main",cause="proxy",phase="data"}',
        ),
        first?.active ?? -1,
      )
      await forwarder.until(() => forwarder.app.ready().ok)
      for (let i = 0; i < 20; i++) {
        const client = await dialPeer(forwarder.port)
        client.end('again')
        t.is((await client.readAll()).bytes.toString(), 'again')
      }
      await forwarder.until(
        () => pairs.filter(({ server }) => server.ending !== null).length === first?.active,
      )
      const resets = pairs.filter(({ client }) => client.ending === 'rst')
      t.is(resets.length, first?.active ?? -1, 'the connections of the dead worker are reset')
      t.deepEqual(
        resets.map(({ server }) => server.ending),
        resets.map(() => 'rst'),
      )
      t.true(pairs.every(({ client }) => client.ending !== 'fin'))
      t.is(forwarder.app.status().workers[0]?.restarts, 1)
      t.true((forwarder.app.status().workers[0]?.active ?? 0) <= 20)
    },
  )

  scene(
    'case 20: connections that arrive while the only worker is dead wait for its successor',
    { onPeer: echo },
    async (t, { forwarder }) => {
      forwarder.app.breakWorker(1)
      await forwarder.line(/worker 1 died/)
      const clients = await Promise.all(Array.from({ length: 8 }, () => dialPeer(forwarder.port)))
      for (const client of clients) {
        client.end('patient')
        t.is((await client.readAll()).bytes.toString(), 'patient')
      }
    },
  )

  // The client's address

  for (const version of ['v1', 'v2'] as const) {
    const pool = { sendProxyProtocol: version } as const
    scene(
      `the PROXY ${version} header and the bytes the client has sent arrive together, and say who the client is`,
      { pool, connect: { budgetMs: 5_000 } },
      async (t, { forwarder, backend }) => {
        const { port } = backend
        await backend.close()
        const client = await dialPeer(forwarder.port, '127.0.0.1', '127.0.0.77')
        const { localPort } = client.socket
        await client.write('early')
        await forwarder.until(() => forwarder.app.status().connections.active === 1)
        const first = Promise.withResolvers<Buffer>()
        const late = await Backend.start({
          port,
          onPeer: ({ socket }) => socket.once('data', (chunk: Buffer) => first.resolve(chunk)),
        })
        const chunk = await first.promise
        const found = readProxy(chunk)
        if (found.kind !== 'found') return t.fail(`${found.kind}: ${chunk.toString('latin1')}`)
        t.is(found.source && formatAddress(found.source), `127.0.0.77:${localPort}`)
        t.is(found.destination && formatAddress(found.destination), `127.0.0.1:${forwarder.port}`)
        t.is(chunk.subarray(found.length).toString(), 'early')
        client.reset()
        const { id } = await forwarder.outcome()
        t.is(found.uniqueId, version === 'v2' ? id : null)
        await late.close()
      },
    )

    scene(
      `the PROXY ${version} header does not wait for a client that says nothing, nor counts as its bytes`,
      { pool, onPeer: (peer) => void peer.write('hello'), listen: '::' },
      async (t, { pair, forwarder }) => {
        const { client, server } = await pair()
        t.is((await client.read(5)).toString(), 'hello')
        await forwarder.until(() => server.size > 0)
        const found = readProxy(await server.read(server.size))
        // A v4-mapped client of a dual-stack listener is IPv4.
        t.is(found.kind === 'found' && found.source?.family, 4)
        client.end()
        server.end()
        const outcome = await forwarder.outcome()
        t.is(outcome.bytesUp, 0)
        t.regex(outcome.client, /^127\.0\.0\.1:/)
      },
    )
  }

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
