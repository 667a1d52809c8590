import { randomBytes } from 'node:crypto'
import type { ExecutionContext } from 'ava'
import type { PlaneName } from '../../helpers/forwarder.ts'
import type { Peer } from '../../helpers/peer.ts'
import { fillUp as fill } from '../fill.ts'
import { KiB, MiB, sha } from '../payload.ts'
import { readByCalls } from '../plain-client.ts'
import { type Scene, scenes, type Traits } from '../scene.ts'
import { hasUnread, unacknowledged } from '../socket.ts'

const bulkBytes = 3_000_000

type Side = 'client' | 'server'

/** Case 9: what was received before a reset is delivered and acknowledged, and only then comes the reset. */
export function resetContract(plane: PlaneName, traits: Traits): void {
  const scene = scenes(plane, traits)

  /** Its kernel has everything acknowledged; then it resets. */
  const resetWhenAcknowledged = async ({ forwarder }: Scene, from: Peer): Promise<void> => {
    await forwarder.until(() => unacknowledged(from) === 0)
    from.reset()
  }
  /** As the two ends of a pair: who resets, and who has to be told. */
  const roles = ({ client, server }: { client: Peer; server: Peer }, from: Side) =>
    from === 'server' ? { from: server, to: client } : { from: client, to: server }
  const told = async (
    t: ExecutionContext,
    { forwarder }: Scene,
    from: Side,
    bytes: number,
  ): Promise<void> => {
    const outcome = await forwarder.outcome()
    t.is(outcome.cause, from)
    t.deepEqual(outcome.closed, { first: from, how: 'rst' })
    t.is(from === 'server' ? outcome.bytesDown : outcome.bytesUp, bytes)
  }
  /** Bytes from `from` until the forwarder holds some and its kernel as many as it takes; all are acknowledged. */
  const fillUp = async ({ forwarder }: Scene, from: Peer): Promise<Buffer> => {
    const sent = await fill(forwarder, from)
    const rest = randomBytes(16 * KiB) // these stay in the queue of a socket that the forwarder does not read
    await from.write(rest)
    return Buffer.concat([sent, rest])
  }

  for (const from of ['server', 'client'] as const) {
    scene(
      `case 9: all of 3 MB that were acknowledged reach a fast reader ahead of the ${from}'s reset`,
      {},
      async (t, here) => {
        for (let i = 0; i < 8; i++) {
          const { from: writer, to: reader } = roles(await here.pair(), from)
          const bytes = randomBytes(bulkBytes)
          void writer.write(bytes).catch(() => {})
          const [read] = await Promise.all([reader.readAll(), resetWhenAcknowledged(here, writer)])
          t.is(sha(read.bytes), sha(bytes), `${read.bytes.length} of ${bytes.length} bytes`)
          t.is(read.ending, 'rst')
          await told(t, here, from, bulkBytes)
        }
      },
    )

    scene(
      `case 9: all of 3 MB that were acknowledged reach a slow reader ahead of the ${from}'s reset`,
      {},
      async (t, here) => {
        const { from: writer, to: reader } = roles(await here.pair(), from)
        // Not by pause(): Node drops what it has read and not handed out when the reset comes.
        reader.socket.on('data', () => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10))
        const bytes = randomBytes(bulkBytes)
        void writer.write(bytes).catch(() => {})
        const [read] = await Promise.all([reader.readAll(), resetWhenAcknowledged(here, writer)])
        t.is(sha(read.bytes), sha(bytes), `${read.bytes.length} of ${bytes.length} bytes`)
        t.is(read.ending, 'rst')
        await told(t, here, from, bulkBytes)
      },
    )

    scene(
      `case 9: bytes that wait behind a reader that is held back come ahead of the ${from}'s reset`,
      {},
      async (t, here) => {
        const { from: writer, to: reader } = roles(await here.pair(), from)
        reader.socket.pause()
        const bytes = await fillUp(here, writer)
        await resetWhenAcknowledged(here, writer)
        reader.socket.resume()
        const read = await reader.readAll()
        t.is(sha(read.bytes), sha(bytes), `${read.bytes.length} of ${bytes.length} bytes`)
        t.is(read.ending, 'rst')
        await told(t, here, from, bytes.length)
      },
    )

    scene(
      `case 9: nor does it help the ${from}'s reset that a write of ours has met it first`,
      {},
      async (t, here) => {
        const { from: writer, to: reader } = roles(await here.pair(), from)
        reader.socket.pause()
        const bytes = await fillUp(here, writer)
        await resetWhenAcknowledged(here, writer)
        // Sent into the reset; from now on the kernel has no error any more and would call the end a clean one.
        for (let i = 0; i < 3; i++) {
          await reader.write('anyone?')
          await here.forwarder.until(() => unacknowledged(reader) === 0)
        }
        reader.socket.resume()
        const read = await reader.readAll()
        t.is(sha(read.bytes), sha(bytes), `${read.bytes.length} of ${bytes.length} bytes`)
        t.is(read.ending, 'rst')
        await told(t, here, from, bytes.length)
      },
    )

    scene(
      `case 9: after the ${from}'s reset the other side may write before it reads, and may half-close`,
      {},
      async (t, here) => {
        const { from: writer, to: reader } = roles(await here.pair(), from)
        reader.socket.pause()
        const bytes = await fillUp(here, writer)
        await resetWhenAcknowledged(here, writer)
        reader.end(Buffer.alloc(16 * MiB))
        await here.forwarder.until(() => unacknowledged(reader) === 0)
        reader.socket.resume()
        const read = await reader.readAll()
        t.is(sha(read.bytes), sha(bytes), `${read.bytes.length} of ${bytes.length} bytes`)
        t.is(read.ending, 'rst')
        await told(t, here, from, bytes.length)
      },
    )

    scene(
      `case 9: after the ${from}'s reset a reset of the other side ends it at once`,
      {},
      async (t, here) => {
        const { from: writer, to: reader } = roles(await here.pair(), from)
        reader.socket.pause()
        await fillUp(here, writer)
        await resetWhenAcknowledged(here, writer)
        for (let i = 0; i < 3; i++) {
          await reader.write('anyone?')
          await here.forwarder.until(() => unacknowledged(reader) === 0)
        }
        reader.reset()
        const { cause, durationMs } = await here.forwarder.outcome()
        t.is(cause, from)
        t.true(durationMs < 30_000) // not after halfClose
      },
    )

    scene(
      `case 9: a reader that takes nothing holds up the ${from}'s reset no longer than stall or halfClose`,
      { timeouts: { halfCloseMs: 300 } },
      async (t, here) => {
        const { from: writer, to: reader } = roles(await here.pair(), from)
        reader.socket.pause()
        const bytes = await fillUp(here, writer)
        await resetWhenAcknowledged(here, writer)
        const { cause, closed, bytesDown, bytesUp } = await here.forwarder.outcome()
        t.is(cause, from)
        t.deepEqual(closed, { first: from, how: 'rst' })
        t.true((from === 'server' ? bytesDown : bytesUp) < bytes.length)
        reader.socket.resume()
        t.is(await reader.ended(), 'rst')
      },
    )
  }

  scene('case 9: 50 of 50 answers of a server that closes with its input unread', {}, async (t, here) => {
    const { forwarder } = here
    const answer = randomBytes(300)
    const clients: Peer[] = []
    for (let i = 0; i < 50; i++) {
      const { client, server } = await here.pair()
      clients.push(client)
      server.socket.pause()
      await client.write(Buffer.alloc(200 * KiB, 'x')) // Node reads 64 KiB ahead; the rest stays in the kernel
      await forwarder.until(() => hasUnread(server))
      await server.write(answer)
      server.socket.destroy() // its kernel sends RST for what nobody has read
    }
    for (const client of clients) {
      const { bytes, ending } = await client.readAll()
      t.deepEqual([bytes.length, ending], [300, 'rst'])
      await told(t, here, 'server', 300)
    }
  })

  scene(
    'case 9: an upload that the server refuses without reading it ends with its answer',
    {},
    async (t, { forwarder, pair }) => {
      for (let i = 0; i < 10; i++) {
        const { client, server } = await pair()
        server.socket.pause()
        client.socket.pause()
        client.socket.on('error', () => {})
        client.socket.write(Buffer.alloc(5_000_000, 'x'))
        await forwarder.until(() => hasUnread(server))
        await server.write(refusal)
        server.socket.destroy()
        client.socket.resume()
        t.is((await client.readAll()).bytes.toString(), refusal)
        t.is((await forwarder.outcome()).cause, 'server')
      }
    },
  )

  scene(
    'case 9: an answer that came ahead of the reset is whole though the client had half-closed',
    {},
    async (t, here) => {
      const { client, server } = await here.pair()
      client.end('GET')
      await server.readAll()
      client.socket.pause()
      const bytes = randomBytes(bulkBytes)
      void server.write(bytes).catch(() => {})
      const reading = here.forwarder.until(() => client.size > 0)
      client.socket.resume()
      await reading
      await resetWhenAcknowledged(here, server)
      const read = await client.readAll()
      t.is(sha(read.bytes), sha(bytes), `${read.bytes.length} of ${bytes.length} bytes`)
      t.is(read.ending, 'rst')
      const { cause, phase, closed } = await here.forwarder.outcome()
      t.deepEqual([cause, phase, closed], ['server', 'half-closed', { first: 'client', how: 'fin' }])
    },
  )

  scene(
    'case 9: a reset that comes while the PROXY header waits for the next turn does not lose the banner',
    { pool: { sendProxyProtocol: 'v2' } },
    async (t, { pair }) => {
      for (let i = 0; i < 20; i++) {
        const { client, server } = await pair()
        await server.write('too many clients')
        server.reset()
        const { bytes, ending } = await client.readAll()
        t.deepEqual([bytes.toString(), ending], ['too many clients', 'rst'])
      }
    },
  )

  scene(
    'case 9: a dial that was answered, brought bytes and was reset at once is a connection',
    {
      onPeer(peer) {
        peer.socket.write('too many clients')
        peer.reset()
      },
    },
    async (t, { forwarder }) => {
      for (let i = 0; i < 50; i++) {
        const { bytes, ending } = await readByCalls(forwarder.port)
        t.deepEqual([bytes.toString(), ending], ['too many clients', 'rst'])
        const { attempts, cause } = await forwarder.outcome()
        t.deepEqual([attempts.map(({ error }) => error), cause], [[null], 'server'])
      }
    },
  )
}

const refusal = 'HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'
