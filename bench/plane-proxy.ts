import { BoundSocket } from 'node:net'
import { socketAddress } from '../src/core/address.ts'
import { createNetPlane } from '../src/plane/net/net.ts'
import type { NetWire } from '../src/plane/net/wire.ts'
import { serving } from './harness/answering.ts'

// The net plane without any policy: what is left to spliceway's own figures is the price of sessions, counting and threads.
const [host = '127.0.0.1', port = '0', listen = '127.0.0.1'] = process.argv.slice(2)
const endpoint = socketAddress(host, Number(port))
if (endpoint === undefined) throw new Error(`${host}: not a literal address`)
const hour = 3_600_000
const owner = {
  up() {},
  down() {},
  buffered() {},
  upstreamEnded() {},
  lasting() {},
  closing() {},
  ended() {},
}
const keepalive = { idleMs: 60_000, intervalMs: 15_000, count: 4 }
const timeouts = { idleMs: hour, halfCloseMs: 60_000, stallMs: hour, unackedMs: hour, keepalive }
const options = { header: null, past: null, timeouts, owner }
const plane = createNetPlane({ sight: null, tune: null, takeError: null })
const socket = new BoundSocket({ host: listen, port: 0 })
const address = socket.address()
const serve = (client: NetWire): void => {
  plane.dial(endpoint, { source: null, transparent: false, group: 'main', forClient: true }, (dialed) => {
    if (dialed.kind === 'connected') plane.relay(client, dialed.wire, options)
    else client.reset()
  })
}
plane.listen({ socket, backlog: 4096, hasRoom: () => true }, serve, () => {})
serving(address)
