import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Case, expectSame, Fault, fail, pass } from '../case.ts'
import type { Side } from '../ground.ts'
import { KiB, MiB } from '../sizes.ts'
import { happens, until } from '../until.ts'
import type { Wire } from '../wire.ts'

const sides: readonly Side[] = ['client', 'server']
const answers = 50
const refusals = 25
const rounds = 15
const lateRounds = 8
const bulkBytes = 3_000_000
const refusal = 'HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'

export const reset: readonly Case[] = [
  ...sides.map(
    (from): Case => ({
      id: `rst-${from}`,
      title: `a ${from}’s RST arrives as RST`,
      why:
        from === 'server'
          ? 'A FIN says “this was all”. A client that reads to the end takes half an answer for a whole one.'
          : 'A FIN says “the request is complete”. A server that acts at the end of its input does so for a client that has taken it back.',
      async run(ground) {
        const { from: resetting, to: told } = await ground.ends(from)
        await resetting.send('hello')
        await told.take(5)
        await told.send('hello')
        await resetting.take(5)
        resetting.reset()
        return (await told.ended()) === 'RST' ? pass('RST') : fail(`the ${from}’s RST arrived as FIN`)
      },
    }),
  ),
  ...sides.map(
    (from): Case => ({
      id: `rst-of-reader-${from}`,
      title: `a ${from} that resets while the other side is sending stops it, with RST`,
      why: 'A download that was cancelled costs the server nothing more.',
      async run(ground) {
        const { from: resetting, to: sending } = await ground.ends(from)
        await sending.fill(randomBytes(64 * MiB), 300)
        resetting.reset()
        const stopped = await happens(() => sending.offer(Buffer.alloc(KiB)) === null, 5_000)
        if (!stopped) throw new Fault(`${sending.name} is not told within 5 s`)
        return pass('stopped')
      },
    }),
  ),
  ...sides.map(
    (from): Case => ({
      id: `data-before-rst-${from}`,
      title: `3 MB that the ${from} sent, and the next kernel acknowledged, arrive ahead of its RST`,
      why: 'Without a proxy they do: Linux lets a reader take what was received before the reset.',
      async run(ground) {
        for (let i = 1; i <= rounds; i++) {
          const { from: writer, to: reader } = await ground.ends(from)
          const bytes = randomBytes(bulkBytes)
          const reading = reader.rest()
          await writer.send(bytes)
          await until(() => writer.unacknowledged === 0 || undefined, 'nothing more was acknowledged')
          writer.reset()
          expectStart((await reading).bytes, bytes, bytes.length, `${reader.name}, time ${i} of ${rounds},`)
        }
        return pass(`all of it, ${rounds} of ${rounds}`)
      },
    }),
  ),
  ...sides.map(
    (from): Case => ({
      id: `late-data-before-rst-${from}`,
      title: `what the ${from} sent before its RST arrives though the other side begins to read only afterwards`,
      why: 'The same for a reader that is slow: what waits in the proxy must not be thrown away.',
      async run(ground) {
        for (let i = 1; i <= lateRounds; i++) {
          const { from: writer, to: reader } = await ground.ends(from)
          const sent = await writer.fill(randomBytes(32 * MiB), 250)
          const acknowledged = sent.length - writer.unacknowledged
          writer.reset()
          await sleep(250)
          const { bytes } = await reader.rest()
          expectStart(bytes, sent, acknowledged, `${reader.name}, time ${i} of ${lateRounds},`)
        }
        return pass('all that was acknowledged')
      },
    }),
  ),
  {
    id: 'unread-input',
    title: '50 answers of a server that answers and closes with its input unread all arrive',
    why: 'The server’s kernel sends RST right behind the answer: 413 to an upload, “too many connections”, Redis’ QUIT.',
    async run(ground) {
      const answer = randomBytes(300)
      const pairs: { client: Wire }[] = []
      for (let i = 0; i < answers; i++) {
        const { client, server } = await ground.pair()
        await client.send(Buffer.alloc(200 * KiB, 'x'))
        await until(() => server.hasUnread || undefined, 'nothing came to the server')
        await server.send(answer)
        server.close()
        pairs.push({ client })
      }
      let arrived = 0
      for (const { client } of pairs) if ((await client.rest()).bytes.equals(answer)) arrived++
      return arrived === answers ? pass(`${answers} of ${answers}`) : fail(`${arrived} of ${answers} arrived`)
    },
  },
  {
    id: 'refused-upload',
    title: 'an upload of 5 MB that the server refuses without reading it ends with the refusal',
    why: 'The same in the middle of a transfer: the client’s bytes are still coming.',
    async run(ground) {
      let arrived = 0
      for (let i = 0; i < refusals; i++) {
        const { client, server } = await ground.pair()
        const upload = Buffer.alloc(5_000_000, 'x')
        await client.fill(upload, 100)
        await until(() => server.hasUnread || undefined, 'nothing came to the server')
        await server.send(refusal)
        server.close()
        if ((await client.rest()).bytes.toString() === refusal) arrived++
      }
      return arrived === refusals
        ? pass(`${refusals} of ${refusals}`)
        : fail(`${arrived} of ${refusals} arrived`)
    },
  },
  {
    id: 'last-words',
    title: '50 banners of a server that speaks and resets at once all arrive',
    why: '“Too many clients”: the reset is there before the proxy has looked at its connection.',
    async run(ground) {
      const banner = 'too many clients'
      const endpoint = ground.listening()
      await ground.start(endpoint)
      endpoint.serve(async (server) => {
        await server.send(banner)
        server.reset()
      })
      let arrived = 0
      for (let i = 0; i < answers; i++) {
        const client = await ground.client()
        if ((await client.rest()).bytes.toString() === banner) arrived++
      }
      return arrived === answers ? pass(`${answers} of ${answers}`) : fail(`${arrived} of ${answers} arrived`)
    },
  },
]

/** Throws Fault unless the bytes are the first of what was sent, and at least `least`. */
function expectStart(received: Buffer, sent: Buffer, least: number, who: string): void {
  expectSame(received, sent.subarray(0, received.length), who)
  if (received.length >= least) return
  throw new Fault(`${who} received ${Math.floor((100 * received.length) / least)} %`)
}
