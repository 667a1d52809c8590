import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ask } from '../src/command/client.ts'
import { ownPort } from '../test/helpers/port.ts'
import { Program, run } from '../test/helpers/program.ts'

/**
 * What listing costs new connections: with many open ones, rounds in which all of them are listed again and
 * again beside rounds in which they are not: p50 and p99 of connect to first byte. curl lists, because
 * what starts and parses in `spliceway connections` would be felt on two cores, and it is not what the
 * program does. `node bench/listing.ts [connections] [rounds]`. 9,000 are what 20,000 descriptors allow.
 */
const open = Number(process.argv[2] ?? 9_000)
const rounds = Number(process.argv[3] ?? 8)
const perRound = 400
const batch = 100
/** From one listing to the next: somebody watches. */
const pauseMs = 500
/** What a line of a listing is not shorter than. */
const leastBytes = 150

const folder = mkdtempSync(join(tmpdir(), 'spliceway-listing-'))
const socketPath = join(folder, 'spliceway.sock')
const gateway = createServer((socket) => {
  socket.on('error', () => {})
  socket.pipe(socket)
}).listen({ port: 0, host: '127.0.0.1', backlog: 4096 })
await once(gateway, 'listening')
const address = gateway.address()
const gatewayPort = typeof address === 'object' && address !== null ? address.port : 0
const port = ownPort('127.0.0.1')
const file = join(folder, 'spliceway.yaml')
writeFileSync(
  file,
  `forward: { "127.0.0.1:${port}": 127.0.0.1:${gatewayPort} }\nlog: { access: none }\n` +
    `admin: { socket: ${socketPath}, listen: off }\n`,
)
const command = [process.execPath, 'src/cli.mjs']
const curl = [
  'curl',
  '-sf',
  '--unix-socket',
  socketPath,
  'http://localhost/connections',
  '-o',
  '/dev/null',
  '-w',
  '%{size_download}',
]
const program = await Program.start([...command, 'run', '-c', file])
const held: Socket[] = []
try {
  while ((await ask(socketPath, 'GET', '/readyz')).kind !== 'answered')
    await new Promise((resolve) => setTimeout(resolve, 50))
  while (held.length < open) {
    const sockets = Array.from({ length: batch }, (_, n) =>
      connect({ port, host: '127.0.0.1', localAddress: `127.0.0.${2 + (n % 8)}` }),
    )
    await Promise.all(sockets.map((socket) => once(socket, 'connect')))
    held.push(...sockets)
  }
  const spent = { plain: [] as number[], listing: [] as number[] }
  let listings = 0
  await round()
  for (let n = 0; n < rounds; n++) {
    spent.plain.push(...(await round()))
    let over = false
    const listing = (async () => {
      while (!over) {
        const { code, out } = await run(curl)
        if (code !== 0 || Number(out) < open * leastBytes) throw new Error(`a listing of ${out} bytes`)
        listings++
        await new Promise((resolve) => setTimeout(resolve, pauseMs))
      }
    })()
    spent.listing.push(...(await round()))
    over = true
    await listing
  }
  const quantile = (all: number[], q: number) =>
    all.toSorted((a, b) => a - b)[Math.floor(all.length * q)] ?? 0
  const of = (all: number[]) => ({ p50: quantile(all, 0.5), p99: quantile(all, 0.99) })
  const [plain, listing] = [of(spent.plain), of(spent.listing)]
  const ratio = { p50: listing.p50 / plain.p50, p99: listing.p99 / plain.p99 }
  process.stdout.write(`${JSON.stringify({ open, rounds, listings, plain, listing, ratio })}\n`)
} finally {
  for (const socket of held) socket.destroy()
  await program.kill()
  gateway.close()
  rmSync(folder, { recursive: true })
  process.exit()
}

/** Milliseconds from connect to the first byte back, one connection after the other. */
async function round(): Promise<number[]> {
  const took: number[] = []
  for (let n = 0; n < perRound; n++) {
    const startMs = performance.now()
    const socket = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.40' })
    socket.write('x')
    await once(socket, 'data')
    took.push(performance.now() - startMs)
    socket.destroy()
  }
  return took
}
