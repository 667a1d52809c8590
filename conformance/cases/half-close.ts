import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Case, choice, expectSame, Fault, none, pass } from '../case.ts'
import type { Side } from '../ground.ts'
import { MiB } from '../sizes.ts'
import { happens, until } from '../until.ts'
import type { Wire } from '../wire.ts'

const sides: readonly Side[] = ['client', 'server']
const replyBytes = 10 * MiB
const silenceMs = 10_000
/** Less than the smallest window on the way: all of it is acknowledged though nobody reads. */
const lastBytes = 40_000

export const halfClose: readonly Case[] = [
  ...sides.map(
    (from): Case => ({
      id: `half-close-${from}`,
      title: `after the ${from}’s FIN the other side still sends 10 MiB, which all arrive, and its own FIN`,
      why:
        from === 'client'
          ? '`nc -N`, ssh’s and rsync’s pipes, HTTP/1.0 clients and database dumps say so that their request is complete.'
          : 'A server that has said all it will say, and still takes the upload.',
      from: 'nginx stream_proxy_half_close.t, in its words “half close client” and “half close upstream”',
      async run(ground) {
        const { from: ending, to: open } = await ground.ends(from)
        await ending.send('request')
        ending.fin()
        const request = await open.rest()
        expectSame(request.bytes, Buffer.from('request'), open.name)
        expectFin(request.ending)
        const reply = randomBytes(replyBytes)
        const [received] = await Promise.all([ending.rest(), open.send(reply).then(() => open.fin())])
        expectSame(received.bytes, reply, ending.name)
        expectFin(received.ending)
        return pass('all of it, then FIN')
      },
    }),
  ),
  ...sides.map(
    (from): Case => ({
      id: `half-close-lasts-${from}`,
      title: `a connection that the ${from} half-closed bears 10 s of silence`,
      why: 'A query that takes its time, after the client has said that it is complete.',
      choice:
        'How long half a connection may be silent is a setting everywhere. spliceway gives it 60 s (`timeouts.halfClose`), socat half a second (`-t`); nginx ends it at once while `proxy_half_close` is off.',
      waits: true,
      async run(ground) {
        const { from: ending, to: open } = await ground.ends(from)
        ending.fin()
        expectFin(await open.ended())
        const began = performance.now()
        const cut = await happens(() => ending.read() && ending.ending !== null, silenceMs)
        if (cut) {
          const after = performance.now() - began
          return choice(
            `ended ${after < 1_000 ? 'within 1 s' : `after about ${Math.round(after / 1_000)} s`}`,
          )
        }
        await open.send('at last')
        expectSame(await ending.take(7), Buffer.from('at last'), ending.name)
        return pass('lasts')
      },
    }),
  ),
  {
    id: 'data-and-fin',
    title: 'data and FIN in one segment arrive as data, then the end',
    why: 'Whoever looks at the FIN first loses the last words.',
    async run(ground) {
      for (const from of sides) {
        const { from: ending, to: open } = await ground.ends(from)
        ending.nagle = true
        await ending.send('first, ') // so that what follows waits, and leaves with the FIN
        await ending.send('last words')
        ending.fin()
        const { bytes, ending: how } = await open.rest()
        expectSame(bytes, Buffer.from('first, last words'), open.name)
        expectFin(how)
      }
      return pass('data, then FIN, both ways')
    },
  },
  {
    id: 'fin-during-dial',
    title: 'what a client sent, and its FIN, wait for an endpoint that answers late; the reply comes back',
    why: 'A client that half-closes is not gone. A dial that is abandoned for it loses the request without a word.',
    waits: true,
    async run(ground) {
      if (ground.peer.mostEndpoints < 1) return none('nobody dials')
      const endpoint = await ground.silent()
      await ground.start(endpoint)
      const client = await ground.client()
      await client.send('early')
      client.fin()
      await sleep(300)
      endpoint.answer() // the kernel sends its SYN again after 1 s
      const server = await endpoint.accept()
      const { bytes, ending } = await server.rest()
      expectSame(bytes, Buffer.from('early'), 'the server')
      expectFin(ending)
      await server.send('reply')
      server.fin()
      expectSame((await client.rest()).bytes, Buffer.from('reply'), 'the client')
      return pass('data, FIN, and the reply')
    },
  },
  ...sides.map(
    (from): Case => ({
      id: `late-bytes-${from}`,
      title: `what the ${from} sent before it closed arrives though the other side still writes to it`,
      why: 'The kernel answers bytes for a closed socket with RST. A proxy that passes that on at once overtakes the data that came before.',
      async run(ground) {
        const { from: ending, to: open } = await ground.ends(from)
        const bytes = randomBytes(lastBytes)
        await ending.send(bytes)
        ending.fin()
        await until(() => ending.unacknowledged === 0 || undefined, 'not all was acknowledged')
        ending.close()
        for (let i = 0; i < 3; i++) {
          open.offer(Buffer.from('nobody reads this'))
          await sleep(100)
        }
        expectSame((await open.rest()).bytes, bytes, open.name)
        return pass('all of it')
      },
    }),
  ),
  ...sides.map(
    (from): Case => ({
      id: `reset-after-fin-${from}`,
      title: `a ${from} that half-closes, and then resets, is told of to the other side within 3 s`,
      why: 'A client that gave up and is not noticed keeps its query running.',
      async run(ground) {
        const { from: ending, to: open } = await ground.ends(from)
        await ending.send('last words')
        ending.fin()
        expectFin(await open.ended())
        ending.reset()
        if (!(await happens(() => isGone(open), 3_000))) {
          throw new Fault(`${open.name} is told nothing`)
        }
        return pass('told')
      },
    }),
  ),
]

/** A side that has read FIN learns of a reset by its socket's error, or by writing. */
function isGone(wire: Wire): boolean {
  return wire.takeError()
}

function expectFin(ending: string): void {
  if (ending !== 'FIN') throw new Fault('the FIN arrived as RST')
}
