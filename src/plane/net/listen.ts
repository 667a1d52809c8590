import { createServer } from 'node:net'
import type { Listening, ListenSpec } from '../plane.ts'
import type { Buffers } from './buffers.ts'
import { takeConnections } from './handle.ts'
import { NetSocket } from './socket.ts'
import { NetWire } from './wire.ts'

/** Plane.listen over net.Server. libuv cannot pause accepting: whoever has a limit resets the excess. */
export function listen(
  buffers: Buffers,
  spec: ListenSpec,
  accept: (downstream: NetWire) => void,
  refused: () => void,
): Listening {
  const server = createServer()
  const { socket, backlog } = spec
  if (typeof socket === 'number') server.listen({ fd: socket, backlog })
  else server.listen(socket, backlog)
  takeConnections(server, (error, handle) => {
    // Out of descriptors libuv closes connections with its reserve descriptor, most of them without a word.
    if (error !== 0 && error !== undefined) {
      refused()
      return
    }
    const wire = new NetWire()
    wire.attach(new NetSocket(buffers, wire, handle))
    accept(wire)
  })
  return { close: () => void server.close(), pause() {}, resume() {} }
}
