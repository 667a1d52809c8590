import test from 'ava'
import { Forwarder } from '../helpers/forwarder.ts'
import { Backend, dialPeer, type Peer } from '../helpers/peer.ts'

for (const plane of ['splice', 'net'] as const) {
  test.serial(`${plane}: an endpoint that has ended a connection bears no load of it`, async (t) => {
    const first = await Backend.start({})
    const second = await Backend.start({})
    const forwarder = await Forwarder.start({
      plane,
      endpoints: [
        { port: first.port, maxConnections: 1 },
        { port: second.port, priority: 1 },
      ],
    })
    const clients: Peer[] = []
    t.teardown(async () => {
      for (const { socket } of clients) socket.destroy()
      await first.close()
      await second.close()
      await forwarder.close()
    })
    const client = await dialPeer(forwarder.port)
    clients.push(client)
    const server = await first.accept()
    server.end('all that it has to say')
    t.is((await client.readAll()).ending, 'fin') // and does not end: a pool of a client that reuses it no more
    const endpoint = `{pool="main",endpoint="127.0.0.1:${first.port}"}`
    clients.push(await dialPeer(forwarder.port))
    const next = await first.accept()
    await next.write('hello')
    t.is((await clients[1]?.read(5))?.toString(), 'hello')
    t.is(await forwarder.metric(`spliceway_endpoint_connections_active${endpoint}`), 2)
    for (const { socket } of clients) socket.end()
  })
}
