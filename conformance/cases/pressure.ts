import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Case, expectSame, Fault, fail, pass } from '../case.ts'
import type { Side } from '../ground.ts'
import { KiB, MiB } from '../sizes.ts'

/** Of the writer: nothing more is taken. Longer than a kernel needs to grow a buffer. */
const quietMs = 500
/**
 * Four socket buffers are on the way, of which Linux lets each grow to some MiB: whoever holds this much has no bound.
 */
const mostHeld = 64 * MiB
const lateBytes = 20 * MiB
const slowBytes = 4 * MiB

const sides: readonly Side[] = ['server', 'client']

export const pressure: readonly Case[] = [
  ...sides.map(
    (from): Case => ({
      id: `held-back-${from}`,
      title: `a ${from} whose reader takes nothing is held back, and all that it sent arrives afterwards`,
      why: 'Whoever goes on reading keeps it in memory, and one slow reader takes the machine down.',
      async run(ground) {
        const { from: writer, to: reader } = await ground.ends(from)
        const sent = await writer.fill(randomBytes(mostHeld), quietMs)
        if (sent.length === mostHeld) return fail(`took ${mostHeld / MiB} MiB, and would have taken more`)
        expectSame(await reader.take(sent.length), sent, reader.name)
        return pass(`held back before ${mostHeld / MiB} MiB`)
      },
    }),
  ),
  {
    id: 'both-blocked',
    title: 'two sides that both write and do not read go on when both read',
    why: 'A proxy with one buffer, or one that waits for one direction before it looks at the other, stands still for good.',
    async run(ground) {
      const { client, server } = await ground.pair()
      const bytes = randomBytes(mostHeld)
      const [up, down] = await Promise.all([client.fill(bytes, quietMs), server.fill(bytes, quietMs)])
      const [atServer, atClient] = await Promise.all([server.take(up.length), client.take(down.length)])
      expectSame(atServer, up, 'the server')
      expectSame(atClient, down, 'the client')
      await client.send('and on')
      await server.take(6)
      return pass('goes on')
    },
  },
  ...sides.map(
    (from): Case => ({
      id: `late-reader-${from}`,
      title: `all of 20 MiB arrive though the ${from} closed long before the other side read, and then the end`,
      why: 'A download to a phone in a tunnel, an upload to a busy server.',
      async run(ground) {
        const { from: writer, to: reader } = await ground.ends(from)
        const bytes = randomBytes(lateBytes)
        const sending = writer.send(bytes).then(() => writer.close())
        await sleep(2 * quietMs)
        const [{ bytes: received, ending }] = await Promise.all([reader.rest(), sending])
        expectSame(received, bytes, reader.name)
        if (ending !== 'FIN') throw new Fault('the FIN arrived as RST')
        return pass('all of it, then FIN')
      },
    }),
  ),
  {
    id: 'slow-reader',
    title: 'a client that reads 16 KiB at a time through a small window gets all of 4 MiB',
    why: 'Partial writes, thousands of them.',
    async run(ground) {
      const { client, server } = await ground.pair()
      client.narrow(32 * KiB)
      const bytes = randomBytes(slowBytes)
      const sending = server.send(bytes)
      while (client.size < slowBytes && client.ending === null) {
        if (!client.read(16 * KiB)) await sleep(1)
      }
      expectSame(await client.take(client.size), bytes, 'the client')
      await sending
      return pass('all of it')
    },
  },
]
