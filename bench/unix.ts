import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cpuNs } from './harness/process-cost.ts'
import { median, pairedRatio } from './harness/statistics.ts'

/**
 * A gateway on the same host at a UNIX socket, beside one over TCP: `node bench/unix.ts`, as root, in a network
 * namespace of its own. First the CPU time of a new connection, in rounds that take turns; then how fast one row
 * of more connections than an address has local ports (28,232) is served, with the kernel's default settings.
 */
const rounds = 15
const perRound = 2_000
const inARow = 40_000
const atOnce = 16
/** No loopback address: in 127.0.0.0/8 the kernel uses ports in TIME_WAIT again (tcp_tw_reuse is 2 by default). */
const own = '10.77.0.1'
const listeners = { tcp: 8001, unix: 8002, own: 8003 } as const
type Way = keyof typeof listeners

const [role = 'outside', folder = ''] = process.argv.slice(2)
if (role === 'outside') {
  const again = [process.execPath, fileURLToPath(import.meta.url), 'inside']
  execFileSync('unshare', ['-n', ...again], { stdio: 'inherit' })
} else if (role === 'gateway') {
  gateway(folder)
} else {
  await inside()
}

/** Answers each request with 160 bytes, and ends when the client does. */
function gateway(folder: string): void {
  const answer = Buffer.alloc(160, 'x')
  const serve = (): ReturnType<typeof createServer> =>
    createServer((socket) => {
      socket.on('error', () => {})
      socket.on('data', () => socket.write(answer))
    })
  const backlog = 4096
  serve().listen({ host: '0.0.0.0', port: 9001, backlog })
  serve().listen({ path: join(folder, 'gateway.sock'), backlog }, () => process.stdout.write('listening\n'))
}

async function inside(): Promise<void> {
  for (const args of ['link set lo up', `addr add ${own}/32 dev lo`]) execFileSync('ip', args.split(' '))
  const folder = mkdtempSync(join(tmpdir(), 'unix-bench-'))
  const file = join(folder, 'spliceway.yaml')
  writeFileSync(file, config(folder))
  const children = [
    spawn(process.execPath, [fileURLToPath(import.meta.url), 'gateway', folder]),
    spawn(process.execPath, [fileURLToPath(new URL('../src/cli.mjs', import.meta.url)), 'run', '-c', file]),
  ]
  try {
    for (const { stdout } of children) await once(stdout, 'data')
    await answering()
    await costs(children[1]?.pid ?? 0)
    for (const way of ['own', 'unix'] as const) {
      const beganMs = performance.now()
      const served = await visits(way, inARow)
      const perSecond = Math.round(inARow / ((performance.now() - beganMs) / 1000))
      process.stdout.write(`${way}: ${served} of ${inARow} served, ${perSecond} connections/s\n`)
    }
  } finally {
    for (const child of children) child.kill('SIGKILL')
    rmSync(folder, { recursive: true })
  }
}

function config(folder: string): string {
  const ways: Record<Way, string> = {
    tcp: '127.0.0.1:9001',
    unix: `unix:${join(folder, 'gateway.sock')}`,
    own: `${own}:9001`,
  }
  const names = Object.keys(ways) as Way[]
  const pool = (name: Way) =>
    `  ${name}: { endpoints: ["${ways[name]}"], health: off, connect: { budget: 100ms } }\n`
  return `listeners:
${names.map((name) => `  - { name: ${name}, listen: "127.0.0.1:${listeners[name]}", pool: ${name} }\n`).join('')}pools:
${names.map(pool).join('')}workers: 1
admin: { socket: "${join(folder, 'admin.sock')}", listen: off }
log: { access: none }
`
}

/** Its first lines come before it listens. */
async function answering(): Promise<void> {
  while ((await visits('unix', 1)) === 0) await new Promise((resolve) => setTimeout(resolve, 20))
}

async function costs(pid: number): Promise<void> {
  const us: Record<'tcp' | 'unix', number[]> = { tcp: [], unix: [] }
  for (let round = -2; round < rounds; round++) {
    for (const way of ['tcp', 'unix'] as const) {
      const before = cpuNs(pid)
      await visits(way, perRound)
      if (round >= 0) us[way].push((cpuNs(pid) - before) / 1000 / perRound)
    }
  }
  const { median: ratio, low, high } = pairedRatio(us.unix, us.tcp)
  const [tcp, unix] = [median(us.tcp), median(us.unix)]
  process.stdout.write(
    `CPU per connection: tcp ${tcp.toFixed(1)} µs, unix ${unix.toFixed(1)} µs, ratio ${ratio.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})\n`,
  )
}

/** So many clients, one after the other in `atOnce` rows; returns how many were answered. */
async function visits(way: Way, count: number): Promise<number> {
  let left = count
  let served = 0
  const row = async (): Promise<void> => {
    while (left-- > 0) if (await visit(way, left)) served++
  }
  await Promise.all(Array.from({ length: atOnce }, row))
  return served
}

/** The client ends first, so that what is left of the connection to the gateway is on the forwarder's side. */
function visit(way: Way, index: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const localAddress = `127.0.1.${1 + (index % 250)}`
  const socket = connect({ host: '127.0.0.1', port: listeners[way], localAddress }, () =>
    socket.write('request'),
  )
  let bytes = 0
  socket.on('error', () => resolve(false))
  socket.on('data', (chunk) => {
    bytes += chunk.length
    if (bytes >= 160) socket.end()
  })
  socket.on('close', () => resolve(bytes >= 160))
  return promise
}
