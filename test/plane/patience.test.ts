import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import test from 'ava'
import { Forwarder } from '../helpers/forwarder.ts'
import { dialPeer } from '../helpers/peer.ts'

const KiB = 1024
const MiB = 1024 * KiB

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** Takes 800 bytes a millisecond, every 20 ms, for `ms`; rejects when the connection ends before. */
async function sip(socket: Socket, ms: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  let taken = 0
  const failed = (error: Error) => reject(error)
  const ended = () => reject(new Error(`the end after ${taken} bytes`))
  socket
    .on('readable', () => {})
    .once('error', failed)
    .once('end', ended)
  const startMs = performance.now()
  const sips = setInterval(() => {
    const sinceMs = performance.now() - startMs
    // What is due, also when this thread stood still: the kernel tells the sender of room in lumps, and not of each sip.
    while (taken < 800 * sinceMs) {
      const sipped = socket.read(Math.min(16 * KiB, socket.readableLength))
      if (sipped === null) break
      taken += sipped.length
    }
    if (sinceMs > ms) resolve(taken)
  }, 20)
  try {
    return await promise
  } finally {
    clearInterval(sips)
    socket
      .off('error', failed)
      .off('end', ended)
      .on('error', () => {})
  }
}

for (const plane of ['splice', 'net'] as const) {
  for (const timeouts of [{ idleMs: 1_500 }, { stallMs: 1_500 }]) {
    const [name] = Object.keys(timeouts)
    for (const slow of ['client', 'server'] as const) {
      // All at once: they only wait.
      test(`${plane}: case 11: a ${slow} that reads all the time, slowly, is not silent for ${name}`, async (t) => {
        const { promise: accepted, resolve } = Promise.withResolvers<Socket>()
        const backend = createServer({ allowHalfOpen: true }, resolve).listen(0, '127.0.0.1')
        await once(backend, 'listening')
        const forwarder = await Forwarder.start({ plane, endpoints: [portOf(backend)], timeouts })
        const client = connect({ port: forwarder.port, host: '127.0.0.1', allowHalfOpen: true })
        const server = await accepted
        t.teardown(async () => {
          client.destroy()
          server.destroy()
          await forwarder.close()
          backend.close()
        })
        const [reader, writer] = slow === 'client' ? [client, server] : [server, client]
        writer.on('error', () => {}).write(Buffer.alloc(16 * MiB)) // more than all buffers between them
        t.true((await sip(reader, 5_000)) > MiB)
      })
    }
  }

  test.serial(`${plane}: case 2: head and body in two small writes do not wait for our ACK`, async (t) => {
    // Nagle's algorithm is on, as it is where nobody turned it off.
    const backend = createServer({ noDelay: false }, (socket) => {
      socket.on('error', () => {})
      socket.on('data', () => {
        socket.write(Buffer.alloc(120, 'H'))
        socket.write(Buffer.alloc(300, 'B'))
      })
    })
    backend.listen(0, '127.0.0.1')
    await once(backend, 'listening')
    const port = portOf(backend)
    const forwarder = await Forwarder.start({ plane, endpoints: [port] })
    t.teardown(async () => {
      await forwarder.close()
      backend.close()
    })
    const answer = async (through: number): Promise<number> => {
      const client = await dialPeer(through)
      const startMs = performance.now()
      await client.write('x')
      await client.read(420)
      const ms = performance.now() - startMs
      client.socket.destroy()
      return ms
    }
    // The quickest: a delayed ACK is in every one of them, what else goes on on this machine is not.
    const quickest = async (through: number): Promise<number> => {
      const times: number[] = []
      for (let i = 0; i < 21; i++) times.push(await answer(through))
      return Math.min(...times)
    }
    const directMs = await quickest(port)
    const ms = await quickest(forwarder.port)
    // The kernel's shortest delayed ACK is 40 ms; the bar is direct + 2 ms, and this is ten times wider.
    t.true(ms < directMs + 20, `${ms} ms, directly ${directMs} ms`)
  })
}
