import { randomBytes } from 'node:crypto'
import { echo } from '../../helpers/peer.ts'
import { KiB, MiB, sha } from '../payload.ts'
import type { SceneMaker, Traits } from '../scene.ts'
import { sendUrgent } from '../socket.ts'

/** Cases 1 to 5: no byte is lost, duplicated or reordered, and memory is bounded. */
export function bytes(scene: SceneMaker, { variant = {} }: Traits): void {
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
}
