import { type Case, choice, Fault, pass } from '../case.ts'
import type { Side } from '../ground.ts'
import { KiB } from '../sizes.ts'
import { until } from '../until.ts'

const sides: readonly Side[] = ['client', 'server']
const chunks = 10

export const urgent: readonly Case[] = [
  ...sides.map(
    (from): Case => ({
      id: `urgent-${from}`,
      title: `urgent bytes of the ${from} neither end the stream nor hold up or take away other bytes`,
      why: 'telnet, rlogin, FTP’s ABOR, Oracle; and everyone who wants to see what falls over.',
      async run(ground) {
        const { from: writer, to: reader } = await ground.ends(from)
        const chunk = Buffer.alloc(64 * KiB, '.')
        const wanted = (chunks * (chunk.length + 1)).toString()
        for (let i = 0; i < chunks; i++) {
          await writer.send(chunk)
          writer.urge('!')
          await writer.send('-')
          let ordinary = 0
          while (ordinary < chunk.length + 1) {
            if (reader.size === 0) {
              await until(
                () => reader.read() || undefined,
                `${reader.name} received ${ordinary} of ${chunk.length + 1} bytes around an urgent one, and nothing more`,
                5_000,
              )
              if (reader.ending !== null) throw new Fault(`the stream ended with ${reader.ending}`)
            }
            const bytes = await reader.take(Math.min(reader.size, chunk.length + 1 - ordinary))
            ordinary += bytes.filter((byte) => byte !== bang).length
          }
        }
        await reader.send('still there?')
        await writer.take(12)
        return pass(`all ${wanted} other bytes`)
      },
    }),
  ),
  ...sides.map(
    (from): Case => ({
      id: `urgent-kept-${from}`,
      title: `the urgent byte of the ${from} itself arrives, in its place or as an urgent one`,
      why: 'A byte that the sender counts and the receiver never sees shifts a protocol that has no use for urgency.',
      choice:
        'A program that does not ask for urgent bytes loses them, with or without a proxy. spliceway keeps them in their place in the stream (SO_OOBINLINE), as RFC 6093 advises; that they were urgent is lost.',
      async run(ground) {
        const { from: writer, to: reader } = await ground.ends(from)
        await writer.send('ab')
        await reader.take(2)
        writer.urge('x')
        await writer.send('cd')
        let received = ''
        while (!received.endsWith('d')) received += (await reader.take(1)).toString('latin1')
        if (received === 'xcd') return pass('in its place')
        if (received !== 'cd') throw new Fault(`${reader.name} received ${JSON.stringify(received)}`)
        return reader.urgent() === 'x' ? pass('as an urgent one') : choice('it is dropped')
      },
    }),
  ),
]

const bang = '!'.charCodeAt(0)
