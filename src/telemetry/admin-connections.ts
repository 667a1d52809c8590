import type { Server } from 'node:http'
import type { Socket } from 'node:net'

/** Probes, a scraper or two and a person need a handful; more is somebody's mistake, or worse. */
const most = 64

/**
 * Bounds the connections of an admin listener from the inside: one too many makes the oldest give way that has not sent a
 * complete request, then the oldest of all. Whoever comes is served, so nobody can keep a probe out by holding connections.
 * A second request on a connection, which would be one of a pipeline, ends it.
 */
export function boundConnections(server: Server): void {
  // A Set keeps the order in which its members came.
  const silent = new Set<Socket>()
  const asked = new Set<Socket>()
  let trimming = false

  const trim = (): void => {
    trimming = false
    for (const socket of [...silent, ...asked].slice(0, Math.max(0, silent.size + asked.size - most))) {
      socket.destroy()
    }
  }
  server.on('connection', (socket) => {
    silent.add(socket)
    socket.once('close', () => {
      silent.delete(socket)
      asked.delete(socket)
    })
    if (trimming || silent.size + asked.size <= most) return
    trimming = true
    // Two turns of the event loop: libuv accepts all that wait in one go, and what they have sent is read in the turn after
    // that. A probe among two hundred newcomers must be read before it is counted among the silent ones.
    setImmediate(() => setImmediate(trim))
  })
  server.on('request', ({ socket }) => {
    if (silent.delete(socket)) asked.add(socket)
    else socket.destroy()
  })
}
