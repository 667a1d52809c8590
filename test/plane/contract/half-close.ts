import type { PlaneName } from '../../helpers/forwarder.ts'
import type { Peer } from '../../helpers/peer.ts'
import { scenes, type Traits } from '../scene.ts'
import { sendPast, unacknowledged } from '../socket.ts'

/** Resolves when Node has closed its socket, whatever came before. */
const overOf = ({ socket }: Peer) =>
  new Promise<void>((resolve) => void socket.once('close', () => resolve()))

/** Of half-closed connections that are reset, by both sides; halfClose is its default, a minute. */
export function halfCloseContract(plane: PlaneName, traits: Traits): void {
  const scene = scenes(plane, traits)

  for (const from of ['client', 'server'] as const) {
    const roles = ({ client, server }: { client: Peer; server: Peer }) =>
      from === 'server' ? { ending: server, open: client } : { ending: client, open: server }

    scene(
      `case 9: a ${from} that half-closes and then resets is told of to a silent peer within 2 s`,
      {},
      async (t, { pair, forwarder }) => {
        const { ending, open } = roles(await pair())
        ending.end('last words')
        t.is((await open.readAll()).bytes.toString(), 'last words')
        const over = overOf(open)
        const writing = setInterval(() => open.socket.write(''), 20) // a peer that says nothing notices a reset only so
        open.socket.on('error', () => clearInterval(writing))
        const began = performance.now()
        ending.reset()
        const { cause, phase, closed: how } = await forwarder.outcome()
        t.true(performance.now() - began < 5_000) // 2 s, and what a busy machine adds
        t.deepEqual([cause, phase, how], [from, 'half-closed', { first: from, how: 'fin' }])
        await over
        clearInterval(writing)
      },
    )

    scene(
      `case 9: a ${from} that half-closes and then resets is told of to a peer that is still sending`,
      {},
      async (t, { pair, forwarder }) => {
        const { ending, open } = roles(await pair())
        ending.end('last words')
        t.is((await open.readAll()).bytes.toString(), 'last words')
        const sending = setInterval(() => open.socket.write('still here'), 20)
        await ending.read(30)
        const over = overOf(open)
        open.socket.on('error', () => clearInterval(sending))
        const began = performance.now()
        ending.reset()
        const { cause, phase, closed } = await forwarder.outcome()
        t.true(performance.now() - began < 5_000)
        t.deepEqual([cause, phase, closed], [from, 'half-closed', { first: from, how: 'fin' }])
        await over
        clearInterval(sending)
      },
    )

    scene(
      `case 9: a ${from}'s data and FIN come ahead of the reset that its peer's late bytes caused`,
      {},
      async (t, { pair, forwarder }) => {
        const { ending, open } = roles(await pair())
        open.socket.pause()
        const bytes = Buffer.alloc(200_000, 'x')
        ending.socket.end(bytes)
        await forwarder.until(() => ending.socket.writableFinished && unacknowledged(ending) === 0)
        ending.socket.destroy() // from now on its kernel answers every byte with RST
        // As soon as all is acknowledged the reset may come: from then on its own bytes have nobody who acknowledges them.
        for (let i = 0; i < 3 && forwarder.outcomes.length === 0; i++) {
          sendPast(open, 'nobody reads this')
          await forwarder.until(() => forwarder.outcomes.length > 0 || unacknowledged(open) === 0)
        }
        open.socket.resume()
        const read = await open.readAll()
        t.deepEqual([read.bytes.length, read.ending], [bytes.length, 'fin'])
        const { cause, closed } = await forwarder.outcome()
        t.deepEqual([cause, closed], [from, { first: from, how: 'fin' }])
      },
    )

    scene(
      `case 9: both have ended with FIN: a reset of the ${from} afterwards is nobody's fault`,
      {},
      async (t, { pair, forwarder }) => {
        const { ending, open } = roles(await pair())
        ending.end('request')
        t.is((await open.readAll()).bytes.toString(), 'request')
        open.end('answer')
        t.is((await ending.readAll()).bytes.toString(), 'answer')
        ending.reset()
        t.is((await forwarder.outcome()).cause, 'none')
      },
    )
  }
}
