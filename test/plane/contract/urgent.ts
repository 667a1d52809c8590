import type { PlaneName } from '../../helpers/forwarder.ts'
import type { Peer } from '../../helpers/peer.ts'
import { scenes, type Traits } from '../scene.ts'
import { sendUrgent } from '../socket.ts'

/** Urgent bytes stay where they are in the stream; that they are urgent is not passed on. */
export function urgentContract(plane: PlaneName, traits: Traits): void {
  const scene = scenes(plane, traits)

  for (const from of ['client', 'server'] as const) {
    const roles = ({ client, server }: { client: Peer; server: Peer }) =>
      from === 'server' ? { from: server, to: client } : { from: client, to: server }

    scene(
      `case 5: an urgent byte of the ${from} in the middle of a stream arrives in its place and counts`,
      {},
      async (t, { pair, forwarder }) => {
        const { from: sender, to: reader } = roles(await pair())
        await sender.write('ab')
        t.is((await reader.read(2)).toString(), 'ab')
        sendUrgent(sender, 'x')
        await sender.write('cd')
        t.is((await reader.read(3)).toString(), 'xcd')
        sender.end('e')
        t.is((await reader.readAll()).bytes.toString(), 'e')
        reader.end()
        const { bytesUp, bytesDown, cause } = await forwarder.outcome()
        t.deepEqual([from === 'server' ? bytesDown : bytesUp, cause], [6, 'none'])
      },
    )

    scene(
      `case 5: urgent bytes of the ${from} between 64 KiB chunks are neither lost nor moved`,
      {},
      async (t, { pair, forwarder }) => {
        const { from: sender, to: reader } = roles(await pair())
        const chunk = Buffer.alloc(64 * 1024, '.')
        const expected: Buffer[] = []
        for (let i = 0; i < 20; i++) {
          await sender.write(chunk)
          await forwarder.until(() => sender.socket.writableLength === 0)
          sendUrgent(sender, '!')
          expected.push(chunk, Buffer.from('!'))
        }
        sender.end()
        const { bytes, ending } = await reader.readAll()
        t.deepEqual([bytes.length, ending], [20 * (chunk.length + 1), 'fin'])
        t.true(bytes.equals(Buffer.concat(expected)))
        reader.end()
        const { bytesUp, bytesDown } = await forwarder.outcome()
        t.is(from === 'server' ? bytesDown : bytesUp, bytes.length)
      },
    )
  }

  scene(
    'case 5: an urgent byte that came before the endpoint was reached arrives in its place',
    {
      onPeer(peer) {
        void peer.write('a')
        sendUrgent(peer, 'x')
        peer.end('b')
      },
    },
    async (t, { pair }) => {
      const { client, server } = await pair()
      sendUrgent(client, 'y')
      client.end('z')
      t.is((await server.readAll()).bytes.toString(), 'yz')
      t.is((await client.readAll()).bytes.toString(), 'axb')
    },
  )
}
