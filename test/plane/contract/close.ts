import { randomBytes } from 'node:crypto'
import { Backend, dialPeer } from '../../helpers/peer.ts'
import { fillUp } from '../fill.ts'
import { MiB, sha } from '../payload.ts'
import type { SceneMaker } from '../scene.ts'
import { holdBack, tcpRow, tcpState } from '../socket.ts'

/** Cases 6 to 10: FIN for FIN, RST for RST, data first. */
export function close(scene: SceneMaker): void {
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
}
