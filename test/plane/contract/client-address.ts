import { formatAddress } from '../../../src/core/address.ts'
import { Backend, dialPeer } from '../../helpers/peer.ts'
import { readProxy } from '../../helpers/read-proxy.ts'
import type { SceneMaker } from '../scene.ts'

/** Case 21: the PROXY header. */
export function clientAddress(scene: SceneMaker): void {
  for (const version of ['v1', 'v2'] as const) {
    const pool = { sendProxyProtocol: version } as const
    scene(
      `case 21: the PROXY ${version} header and the bytes the client has sent arrive together, and say who the client is`,
      { pool, connect: { budgetMs: 5_000 } },
      async (t, { forwarder, backend }) => {
        const { port } = backend
        await backend.close()
        const client = await dialPeer(forwarder.port, '127.0.0.1', '127.0.0.77')
        const { localPort } = client.socket
        await client.write('early')
        await forwarder.until(() => forwarder.app.status().connections.active === 1)
        const first = Promise.withResolvers<Buffer>()
        const late = await Backend.start({
          port,
          onPeer: ({ socket }) => socket.once('data', (chunk: Buffer) => first.resolve(chunk)),
        })
        const chunk = await first.promise
        const found = readProxy(chunk)
        if (found.kind !== 'found') return t.fail(`${found.kind}: ${chunk.toString('latin1')}`)
        t.is(found.source && formatAddress(found.source), `127.0.0.77:${localPort}`)
        t.is(found.destination && formatAddress(found.destination), `127.0.0.1:${forwarder.port}`)
        t.is(chunk.subarray(found.length).toString(), 'early')
        client.reset()
        const { id } = await forwarder.outcome()
        t.is(found.uniqueId, version === 'v2' ? id : null)
        await late.close()
      },
    )

    scene(
      `case 21: the PROXY ${version} header does not wait for a client that says nothing, nor counts as its bytes`,
      { pool, onPeer: (peer) => void peer.write('hello'), listen: '::' },
      async (t, { pair, forwarder }) => {
        const { client, server } = await pair()
        t.is((await client.read(5)).toString(), 'hello')
        await forwarder.until(() => server.size > 0)
        const found = readProxy(await server.read(server.size))
        // A v4-mapped client of a dual-stack listener is IPv4.
        t.is(found.kind === 'found' && found.source?.family, 4)
        client.end()
        server.end()
        const outcome = await forwarder.outcome()
        t.is(outcome.bytesUp, 0)
        t.regex(outcome.client, /^127\.0\.0\.1:/)
      },
    )
  }
}
