import { createServer, type Server } from 'node:net'
import type { Listening, ListenSpec } from '../plane.ts'
import type { Buffers } from './buffers.ts'
import { type Tune, takeConnections } from './handle.ts'
import { NetSocket } from './socket.ts'
import { NetWire } from './wire.ts'

/** Plane.listen over net.Server. libuv cannot pause accepting: whoever has a limit resets the excess. */
export function listen(
  buffers: Buffers,
  tune: Tune | null,
  spec: ListenSpec,
  accept: (downstream: NetWire) => void,
  refused: () => void,
): Listening {
  const server = createServer()
  const { socket, backlog } = spec
  tune?.(typeof socket === 'number' ? socket : socket.fd()) // accepted sockets inherit it
  if (typeof socket === 'number') server.listen({ fd: socket, backlog })
  else server.listen(socket, backlog)
  let accepted = 0
  takeConnections(server, (error, handle) => {
    accepted++
    // Out of descriptors libuv closes connections with its reserve descriptor, most of them without a word.
    if (error !== 0 && error !== undefined) {
      refused()
      return
    }
    const wire = new NetWire()
    wire.attach(new NetSocket(buffers, wire, handle))
    accept(wire)
  })
  return {
    close(queue, closed = () => {}) {
      if (queue === 'leave') end(server, closed)
      else
        whenEmpty(
          backlog,
          () => accepted,
          () => end(server, closed),
        )
    },
    pause() {},
    resume() {},
  }
}

/**
 * Calls back after a whole turn of libuv's loop without a connection, or after `most` of them. libuv offers
 * no better sign that the queue is empty.
 */
function whenEmpty(most: number, accepted: () => number, empty: () => void): void {
  const first = accepted()
  let before = -1
  const look = (): void => {
    if (accepted() === before || accepted() - first >= most) {
      empty()
      return
    }
    before = accepted()
    setImmediate(look) // the loop polls between two of these
  }
  setImmediate(look)
}

function end(server: Server, closed: () => void): void {
  server.close()
  closed()
}
