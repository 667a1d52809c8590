import { randomBytes } from 'node:crypto'
import { type Case, expectSame, Fault, pass } from '../case.ts'
import { echo } from '../endpoint.ts'
import { KiB, MiB } from '../sizes.ts'

/** Beyond what any queue on the way holds. */
const bulkBytes = 8 * MiB
const singles = 2_000
const clients = 300

export const bytes: readonly Case[] = [
  {
    id: 'bytes',
    title: 'random bytes, 8 MiB each way at once, arrive as they were sent',
    why: 'The least that a forwarder owes.',
    from: 'nginx stream_proxy.t, and HAProxy reg-tests/filters/random-forwarding.vtc, 1 MiB in random pieces',
    async run(ground) {
      const { client, server } = await ground.pair()
      const [up, down] = [randomBytes(bulkBytes), randomBytes(bulkBytes)]
      const [atServer, atClient] = await Promise.all([
        server.take(bulkBytes),
        client.take(bulkBytes),
        client.send(up),
        server.send(down),
      ])
      expectSame(atServer, up, 'the server')
      expectSame(atClient, down, 'the client')
      return pass('equal both ways')
    },
  },
  {
    id: 'single-bytes',
    title: '2,000 writes of one byte each way arrive in order',
    why: 'Interactive sessions; a forwarder that handles each byte for itself shows here what it forgets.',
    from: 'nginx stream_tcp_nodelay.t, which sets proxy_buffer_size to 1',
    async run(ground) {
      const { client, server } = await ground.pair()
      for (const [from, to] of [
        [client, server],
        [server, client],
      ] as const) {
        const sent = randomBytes(singles)
        const received = to.take(singles)
        for (const byte of sent) await from.send(Buffer.of(byte))
        expectSame(await received, sent, to.name)
      }
      return pass('in order both ways')
    },
  },
  {
    id: 'many',
    title: '300 connections at once, each with 4 KiB there and back, are all served',
    why: 'After a restart all clients come at the same moment.',
    from: 'nginx stream_upstream.t, which sends thirty, and holds them open',
    async run(ground) {
      const endpoint = ground.listening()
      await ground.start(endpoint)
      endpoint.serve(echo)
      const one = async (): Promise<boolean> => {
        const client = await ground.client()
        const sent = randomBytes(4 * KiB)
        await client.send(sent)
        return (await client.take(sent.length)).equals(sent)
      }
      const results = await Promise.allSettled(Array.from({ length: clients }, one))
      const served = results.filter((result) => result.status === 'fulfilled' && result.value).length
      if (served < clients) throw new Fault(`${served} of ${clients} were served`)
      return pass(`all ${clients}`)
    },
  },
]
