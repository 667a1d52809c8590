import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as rest } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { Forwarder, type ForwarderOptions, openDescriptors } from '../helpers/forwarder.ts'

/** `SOAK=100000` for the long one. */
const rounds = Number(process.env.SOAK ?? 20_000)
const aborted = Math.min(2_000, Math.ceil(rounds / 10))
/** Printed with a failure; `SEED=...` plays the same resets again. */
const seed = Number(process.env.SEED ?? 20_261_121)
const atOnce = 64
/** Of the whole process, clients and backend included. A socket, a block or a pipe that stays with each would be more. */
const growthMiB = 96
const MiB = 1024 * 1024
const KiB = 1024

const planes: readonly Pick<ForwarderOptions, 'plane' | 'pipesOnLoopback'>[] = [
  { plane: 'net' },
  { plane: 'splice', pipesOnLoopback: true },
]

for (const options of planes) {
  test.serial(
    `${options.plane}: ${rounds} short connections end properly and leave nothing behind`,
    async (t) => {
      const scene = await start(t, options, (socket) => {
        socket.once('data', (request) => socket.end(request))
      })
      const wrong: string[] = []
      const visit = async (i: number) => {
        const request = `request ${i}`
        const socket = dial(scene.forwarder.port)
        socket.end(request)
        const reply = await readAll(socket)
        if (reply !== request) wrong.push(`${i}: ${reply}`)
      }
      await inParallel(rounds / 4, visit)
      const startMiB = process.memoryUsage.rss() / MiB
      await inParallel(rounds - rounds / 4, visit)
      const grownMiB = process.memoryUsage.rss() / MiB - startMiB
      t.deepEqual(wrong, [])
      await scene.nothingLeft()
      t.deepEqual(scene.forwarder.outcomes, [], 'all ended properly: the access log tells only of others')
      t.is(await scene.forwarder.metric('spliceway_connections_accepted_total{listener="main"}'), rounds)
      t.true(grownMiB < growthMiB, `${grownMiB.toFixed(1)} MiB more after ${rounds} connections`)
    },
  )

  test.serial(
    `${options.plane}: ${aborted} connections reset at any moment leave nothing behind`,
    async (t) => {
      t.log(`SEED=${seed}`)
      const random = randomFrom(seed)
      const bulk = Buffer.alloc(300 * KiB, 'x')
      /** Writes, waits, and cuts or ends, as chance will have it; reads all the time, or not at all. */
      const misbehave = async (socket: Socket) => {
        if (random() < 0.2) socket.pause()
        else socket.resume()
        for (let i = 0; i < 3 && !socket.destroyed; i++) {
          const what = random()
          if (what < 0.25) break
          if (what < 0.7 && socket.writable) socket.write(bulk.subarray(0, Math.ceil(random() * bulk.length)))
          else await rest(random() * 5)
        }
        if (random() < 0.2 && socket.writable) {
          socket.end()
          await rest(random() * 5)
        }
        // Node cannot reset while a FIN waits behind bytes (EINVAL, and then no 'close'): that one is only closed.
        if (socket.writable || socket.writableFinished) socket.resetAndDestroy()
        else socket.destroy()
      }
      const scene = await start(t, options, (socket) => void misbehave(socket))
      await inParallel(aborted, async () => {
        const socket = dial(scene.forwarder.port)
        if (random() < 0.8) await Promise.race([happened(socket, 'connect'), happened(socket, 'close')])
        const closed = socket.destroyed ? null : happened(socket, 'close')
        await misbehave(socket)
        await closed
      })
      await scene.nothingLeft()
    },
  )
}

interface Scene {
  readonly forwarder: Forwarder
  /** Fails unless every gauge, descriptor and connection to the backend is gone. */
  nothingLeft(): Promise<void>
}

async function start(
  t: ExecutionContext,
  options: Pick<ForwarderOptions, 'plane' | 'pipesOnLoopback'>,
  serve: (socket: Socket) => void,
): Promise<Scene> {
  const upstream = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    upstream.add(socket)
    socket.on('error', () => {}) // resets are what this is about
    socket.once('close', () => upstream.delete(socket))
    serve(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const forwarder = await Forwarder.start({
    ...options,
    endpoints: [portOf(server)],
    config: { log: { level: 'info', access: 'errors', connect: false, empty: true } },
  })
  // One of each kind first: what a process opens once is open then.
  await forwarder.metric('spliceway_draining')
  const before = openDescriptors()
  t.teardown(async () => {
    for (const socket of upstream) socket.destroy()
    server.close()
    await forwarder.close()
  })
  const pipes = (state: string) => forwarder.metric(`spliceway_pipes{state="${state}"}`)
  return {
    forwarder,
    async nothingLeft() {
      await forwarder.until(() => forwarder.app.status().connections.active === 0)
      await forwarder.until(() => upstream.size === 0)
      const { pools } = forwarder.app.status()
      t.deepEqual(
        pools.flatMap(({ endpoints }) => endpoints.map(({ active }) => active)),
        [0],
      )
      t.is(await forwarder.metric('spliceway_buffered_bytes'), 0)
      t.is(await pipes('used'), 0)
      const idle = 2 * (await pipes('idle'))
      await forwarder
        .until(() => openDescriptors() <= before + idle)
        .catch(() => t.is(openDescriptors(), before + idle, 'descriptors'))
      t.deepEqual(
        forwarder.lines.filter(({ level }) => level === 'error'),
        [],
        'no worker died',
      )
    },
  }
}

function dial(port: number): Socket {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => {})
  return socket
}

async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await happened(socket, 'close')
  return Buffer.concat(chunks).toString()
}

/** As once(), which rejects when a reset comes first. */
function happened(socket: Socket, event: 'connect' | 'close'): Promise<void> {
  return new Promise((resolve) => socket.once(event, () => resolve()))
}

/** Calls `work` for 0 to `count - 1`, some at a time. */
async function inParallel(count: number, work: (i: number) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}

/** Mulberry32: the same numbers for the same seed. */
function randomFrom(start: number): () => number {
  let state = start >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
